# Which AMI the build starts from. A file of its own, because Packer before 1.7 knows no data sources.

# AWS names its latest EKS-optimised AMI in a public parameter:
# https://docs.aws.amazon.com/eks/latest/userguide/retrieve-ami-id.html
# Packer reads it also when source_ami is given; the value is then not used.
data "amazon-parameterstore" "eks_optimised" {
  name   = var.source_parameter
  region = var.region
}

locals {
  source_ami = var.source_ami != "" ? var.source_ami : data.amazon-parameterstore.eks_optimised.value
}
