"""What has come of a world: the promises, the baseline and the report."""
