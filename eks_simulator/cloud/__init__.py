"""The AWS half's world: EC2 and Auto Scaling groups that reconcile over virtual time."""
