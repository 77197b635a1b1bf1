# Every value that a build may be given: packer build -var branch=release-7 ... packer, or PKR_VAR_branch in the
# environment. Only the repository has no default. What a pattern leaves nothing of is well formed: Packer before 1.7
# has regex_replace, but neither regex nor can.

variable "repository" {
  type        = string
  description = "HTTPS address of the Git repository with the model's files, in Git LFS or plain; no user and no token in it."

  validation {
    condition     = var.repository != "" && regex_replace(var.repository, "^https://[^/@[:space:]]+/[^@[:space:]]+$", "") == ""
    error_message = "The repository must be an https:// address without user or token: the token comes from the secret."
  }

  # EC2 takes nothing else in the AMI's description, and says so only when all else is done.
  validation {
    condition     = regex_replace(var.repository, "^[!-~]*$", "") == ""
    error_message = "The repository's address must be ASCII: write other characters as %XX."
  }

  # The value of a tag.
  validation {
    condition     = length(var.repository) <= 256
    error_message = "The repository's address must have at most 256 characters: it is a tag of the AMI."
  }
}

variable "branch" {
  type        = string
  default     = "main"
  description = "Branch of the repository that is baked."

  validation {
    condition     = var.branch != "" && regex_replace(var.branch, "^[A-Za-z0-9_][A-Za-z0-9._/+-]{0,199}$", "") == ""
    error_message = "The branch must be the name of a branch, such as main or release/7, of at most 200 characters."
  }
}

variable "git_tag" {
  type        = string
  default     = ""
  description = "Git tag of the repository that is baked in place of the branch; empty: the branch."

  validation {
    condition     = regex_replace(var.git_tag, "^[A-Za-z0-9_][A-Za-z0-9._/+-]{0,199}$", "") == ""
    error_message = "The git_tag must be the name of a tag, such as v7, of at most 200 characters, or empty."
  }
}

variable "commit" {
  type        = string
  default     = ""
  description = "Full id of the commit to bake, so that the AMI can carry it as a tag; empty: the commit that the branch or tag points to."

  validation {
    condition     = regex_replace(var.commit, "^([0-9a-f]{40}|[0-9a-f]{64})$", "") == ""
    error_message = "The commit must be a full commit id, 40 or 64 hexadecimal digits, or empty."
  }
}

variable "model" {
  type        = string
  default     = "model"
  description = "Name of the folder in /opt/models that Jobs mount."

  validation {
    condition     = var.model != "" && regex_replace(var.model, "^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$", "") == ""
    error_message = "The model must be a folder's plain name: at most 100 letters, digits, dots, dashes."
  }
}

variable "ami_prefix" {
  type        = string
  default     = "eks-model"
  description = "What the AMI's name begins with; the UTC time of the build follows."

  validation {
    condition     = var.ami_prefix != "" && regex_replace(var.ami_prefix, "^[A-Za-z0-9][A-Za-z0-9()./_-]{1,100}$", "") == ""
    error_message = "The prefix may have letters, digits and ()./_- and must leave room for the time in the AMI's name."
  }
}

variable "region" {
  type        = string
  default     = env("AWS_REGION")
  description = "Region in which the AMI is built; the environment's AWS_REGION unless given."

  validation {
    condition     = var.region != "" && regex_replace(var.region, "^[a-z]{2,}(-[a-z]+)+-[0-9]+$", "") == ""
    error_message = "There is no region: give one with -var region=eu-central-1, or set AWS_REGION."
  }
}

variable "source_ami" {
  type        = string
  default     = ""
  description = "AMI to start from; empty: the one that source_parameter names."

  validation {
    condition     = regex_replace(var.source_ami, "^ami-[0-9a-f]+$", "") == ""
    error_message = "The source_ami must be an AMI's id, such as ami-0123456789abcdef0, or empty."
  }
}

variable "source_parameter" {
  type        = string
  default     = "/aws/service/eks/optimized-ami/1.33/amazon-linux-2023/x86_64/standard/recommended/image_id"
  description = "SSM parameter with the EKS-optimised AMI. Its Kubernetes version must not be newer than the cluster's."
}

variable "instance_type" {
  type        = string
  default     = "m6i.large"
  description = "Instance that the AMI is built on; its architecture is the source AMI's."
}

variable "ssh_username" {
  type        = string
  default     = "ec2-user"
  description = "User of the source AMI that Packer logs in as, and who may sudo."
}

variable "subnet_id" {
  type        = string
  default     = ""
  description = "Subnet to build in, where the machine that runs Packer reaches the instance; empty: the default VPC's."
}

variable "ssh_from" {
  type        = list(string)
  default     = []
  description = "Networks from which port 22 of the build's instance is reached; empty: the public address of the machine that runs Packer, and nobody else's."
}

variable "iam_instance_profile" {
  type        = string
  default     = "packer-eks-model"
  description = "Instance profile of the build's instance: it may read the secret, and needs no other right."
}

variable "secret" {
  type        = string
  default     = "github-token"
  description = "Name or ARN of the secret in Secrets Manager that holds the GitHub token: the bare token, or JSON with a key token."
}

variable "volume_size" {
  type        = number
  default     = 40
  description = "GiB of the root volume: system, container images, and the model; nodes get a volume of at least this size."

  validation {
    condition     = var.volume_size >= 8 && var.volume_size <= 16384 && floor(var.volume_size) == var.volume_size
    error_message = "The volume_size must be whole GiB, from 8 to 16384."
  }
}

variable "root_device" {
  type        = string
  default     = "/dev/xvda"
  description = "Root device of the source AMI, as its RootDeviceName: another name would be a second, empty volume beside the root."

  validation {
    condition     = var.root_device != "" && regex_replace(var.root_device, "^/dev/(xvd|sd)[a-z][0-9]?$", "") == ""
    error_message = "The root_device must be that of the source AMI, such as /dev/xvda or /dev/sda1 (aws ec2 describe-images)."
  }
}

variable "kms_key_id" {
  type        = string
  default     = ""
  description = "KMS key for the AMI's snapshots; empty: the account's aws/ebs key, with which no other account can use the AMI."
}

variable "jenkins_build" {
  type        = string
  default     = "by hand"
  description = "The build that made the AMI, such as Jenkins' BUILD_TAG: a tag of the AMI."

  validation {
    condition     = length(var.jenkins_build) <= 256
    error_message = "The jenkins_build must have at most 256 characters: it is a tag of the AMI."
  }
}
