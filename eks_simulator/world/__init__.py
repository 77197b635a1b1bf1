"""What lives in the cluster by itself: nodes, pods, controllers, an autoscaler, third parties."""
