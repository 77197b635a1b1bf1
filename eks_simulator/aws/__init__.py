"""The AWS half's wire: requests parsed and replies written by botocore's own service models."""
