# An AMI for EKS nodes with the model's files in /opt/models, so that no Job and no image has to fetch them.
# Written down afterwards: manifest.json beside this file, which `rollout start --ami-from` reads.

locals {
  built_at = timestamp()

  reference = var.git_tag == "" ? "branch ${var.branch}" : "tag ${var.git_tag}"

  # The AMI, its snapshots and the build's own instance and volume carry these; `rollout ami verify --tag` can ask for them.
  tags = {
    for key, value in {
      Name          = var.ami_prefix
      ami_prefix    = var.ami_prefix
      model         = var.model
      repository    = var.repository
      branch        = var.git_tag == "" ? var.branch : ""
      git_tag       = var.git_tag
      commit        = var.commit
      jenkins_build = var.jenkins_build
      source_ami    = local.source_ami
    } : key => value if value != ""
  }
}

source "amazon-ebs" "eks_model" {
  region               = var.region
  source_ami           = local.source_ami
  instance_type        = var.instance_type
  subnet_id            = var.subnet_id
  iam_instance_profile = var.iam_instance_profile

  # EC2 takes 255 characters of a description, and says so only when all else is done; tags have the parts whole.
  ami_name        = "${var.ami_prefix}-${formatdate("YYYYMMDD-hhmmss", local.built_at)}"
  ami_description = substr("${var.model} from ${var.repository}, ${local.reference}, on ${local.source_ami}", 0, 255)
  tags            = local.tags
  snapshot_tags   = local.tags
  run_tags        = local.tags
  run_volume_tags = local.tags

  # Its security group lets nobody else in.
  temporary_security_group_source_cidrs     = var.ssh_from
  temporary_security_group_source_public_ip = length(var.ssh_from) == 0

  ssh_username            = var.ssh_username
  temporary_key_pair_type = "ed25519"
  # Packer's own key does not stay in the image.
  ssh_clear_authorized_keys = true

  # The session tokens of version 2 alone: while the AMI is built, and on every node that starts from it.
  imds_support = "v2.0"
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  # Encrypted from the first byte: the snapshot of an encrypted volume is encrypted under the same key, and no copy is made.
  launch_block_device_mappings {
    device_name           = var.root_device
    volume_type           = "gp3"
    volume_size           = var.volume_size
    iops                  = 3000
    throughput            = 250
    encrypted             = true
    kms_key_id            = var.kms_key_id
    delete_on_termination = true
  }

  # A snapshot of many GiB takes longer than Packer's usual patience: up to two hours.
  aws_polling {
    delay_seconds = 15
    max_attempts  = 480
  }
}

build {
  sources = ["source.amazon-ebs.eks_model"]

  # Only the secret's name is handed over: the instance reads the token itself, with the rights of its profile.
  provisioner "shell" {
    script          = "${path.root}/provision.sh"
    execute_command = "sudo env {{ .Vars }} bash {{ .Path }}"
    environment_vars = [
      "AWS_REGION=${var.region}",
      "MODEL_REPOSITORY=${var.repository}",
      "MODEL_BRANCH=${var.branch}",
      "MODEL_TAG=${var.git_tag}",
      "MODEL_COMMIT=${var.commit}",
      "MODEL_NAME=${var.model}",
      "MODEL_SECRET=${var.secret}",
    ]
  }

  # A node gives itself an id when it first starts; all nodes would have this instance's.
  provisioner "shell" {
    inline = ["sudo truncate --size 0 /etc/machine-id"]
  }

  post-processor "manifest" {
    output      = "${path.root}/manifest.json"
    strip_path  = true
    custom_data = local.tags
  }
}
