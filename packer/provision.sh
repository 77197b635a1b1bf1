#!/usr/bin/env bash
# Puts the model's files into the image that Packer builds: MODEL_ROOT/MODEL_NAME, read-only, verified.
#
# When it ends, well or not, neither token nor git credentials nor a clone are left. The GitHub token is read from
# Secrets Manager with the rights of the instance; it is never in an argument, in the environment, in what is printed
# or on a disk: only in a file of git's own credential store, in memory, for as long as git needs it.
#
# It ends with 0, or with one line on stderr and 2: environment or programs, 3: the secret, 4: the repository,
# 5: files in Git LFS, 6: what was fetched is not what it should be, 7: the image's disk.
set +x -euo pipefail
shopt -s inherit_errexit
# Names are bytes: in another locale a name that is not UTF-8 fits no pattern, and a range of letters has others in it.
export LC_ALL=C

# repository: an https:// address; branch: a branch; tag: a Git tag, baked in place of the branch if it is given;
# secret: name or ARN.
readonly repository=${MODEL_REPOSITORY-} branch=${MODEL_BRANCH-} tag=${MODEL_TAG-} secret=${MODEL_SECRET-} name=${MODEL_NAME-}
# commit: its full id, or empty for what the branch or tag points to.
readonly commit=${MODEL_COMMIT-} root=${MODEL_ROOT:-/opt/models} login_home=${HOME-}
# Beside its final place, so that putting it there is a rename.
readonly clone=$root/.$name.new
private=

die() {
  local code=$1
  shift
  printf 'provision: %s\n' "$*" >&2
  exit "$code"
}

clean_up() {
  [[ -z $private ]] || rm -rf "$private"
  [[ -z $name ]] || rm -rf "$clone"
  local home
  # What a person who looked into a failing build has typed, as root or as Packer's user.
  for home in "$login_home" "$(getent passwd "${SUDO_USER-}" | cut -d : -f 6)"; do
    [[ -z $home ]] || rm -f "$home/.bash_history"
  done
}

# attempt CODE FAILURE ADVICE COMMAND...: runs the command; if it fails, ends with its last words.
attempt() {
  local code=$1 failure=$2 advice=$3
  shift 3
  "$@" 2>"$private/stderr" || die "$code" "$failure: $(last_words). $advice"
}

last_words() {
  local line words='no reason given'
  while read -r line; do
    [[ -z $line ]] || words=${line%.}
  done <"$private/stderr"
  printf '%s' "$words"
}

check_environment() {
  local variable
  for variable in MODEL_REPOSITORY MODEL_BRANCH MODEL_NAME MODEL_SECRET AWS_REGION; do
    [[ -n ${!variable-} ]] || die 2 "$variable is not set; packer/eks-model.pkr.hcl passes it."
  done
  [[ $name != */* && $name != .* ]] || die 2 "MODEL_NAME is $name; it must be the plain name of a folder."
  # A word that begins with a dash would be an option of git's.
  [[ $repository =~ ^https?://[^/@[:space:]]+/[^@[:space:]]+$ ]] ||
    die 2 "MODEL_REPOSITORY is not the https:// address of a repository, without user or token."
  [[ -z $commit || $commit =~ ^([0-9a-f]{40}|[0-9a-f]{64})$ ]] ||
    die 2 "MODEL_COMMIT is $commit; it must be a full commit id."
  for variable in MODEL_BRANCH MODEL_TAG; do
    [[ -z ${!variable-} || ${!variable} =~ ^[A-Za-z0-9_][A-Za-z0-9._/+-]*$ ]] ||
      die 2 "$variable is ${!variable}; it must be the name of a branch or tag."
  done
}

missing_programs() {
  local program
  for program in aws git git-lfs; do
    command -v "$program" >/dev/null || printf '%s ' "$program"
  done
}

# What the machine's first start still does would be baked half, and it may hold the lock of dnf. 2: it recovered.
await_cloud_init() {
  local code=0
  command -v cloud-init >/dev/null || return 0
  timeout --foreground 900 cloud-init status --wait >"$private/stderr" 2>&1 || code=$?
  ((code == 0 || code == 2)) ||
    die 2 "cloud-init failed (code $code): $(last_words). Look at it on such an instance: cloud-init status --long"
}

# The EKS-optimised AMI has the AWS CLI, but no git.
install_programs() {
  [[ -z $(missing_programs) ]] && return
  if command -v dnf >/dev/null; then
    attempt 2 'dnf cannot install git and git-lfs' 'Give the subnet a way to the package repositories.' \
      dnf install --assumeyes --quiet git git-lfs
  fi
  [[ -z $(missing_programs) ]] || die 2 "there is no $(missing_programs)here; start from an AMI that has it."
}

# Memory is where secrets live: /dev/shm is no part of the image. It is also git's home: nothing of another user's or
# the system's configuration (helpers that store, hooks, tracing that prints headers) has a say.
make_private() {
  private=$(mktemp -d -p /dev/shm provision.XXXXXXXX) || die 2 'there is no memory to write to in /dev/shm.'
  unset "${!GIT_@}"
  export HOME=$private GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=$private/gitconfig GIT_TERMINAL_PROMPT=0
}

# What is printed here goes into a pipe of ours alone.
read_token() {
  local text
  text=$(attempt 3 "secret $secret cannot be read" \
    'Check its name and region, and that the instance profile may do secretsmanager:GetSecretValue on it.' \
    aws secretsmanager get-secret-value "--region=$AWS_REGION" "--secret-id=$secret" \
    --query SecretString --output text)
  if [[ $text =~ \"token\"[[:space:]]*:[[:space:]]*\"([^\"]*)\" ]]; then
    text=${BASH_REMATCH[1]}
  fi
  [[ $text =~ ^[A-Za-z0-9_.-]+$ && $text != None ]] ||
    die 3 "secret $secret holds no token; store the bare token, or JSON such as {\"token\": \"...\"}."
  printf '%s' "$text"
}

# Only the repository's own host is given the token, also if the repository's files name another host for Git LFS.
hand_token_to_git() {
  local token host=${repository#*://}
  host=${host%%/*}
  token=$(read_token)
  printf '%s://x-access-token:%s@%s\n' "${repository%%://*}" "$token" "$host" >"$private/credentials"
  git config --global "credential.${repository%%://*}://$host.helper" "store --file=$private/credentials"
}

start_clone() {
  mkdir -p "$root" && rm -rf "$clone" && git init --quiet "$clone" && cd "$clone" &&
    git remote add origin "$repository" && git lfs install --local --skip-smudge >/dev/null
}

# The full name of what is baked: git takes a short one for a tag where a branch has the same name.
reference() {
  if [[ -n $tag ]]; then printf 'refs/tags/%s' "$tag"; else printf 'refs/heads/%s' "$branch"; fi
}

# People take one name for one thing. A commit says which is meant.
refuse_two_of_one_name() {
  local short=${tag:-$branch} found
  attempt 4 "the branches and tags of $repository cannot be listed" 'Run the build again.' list_of_one_name "$short"
  found=$(cut -f 2 "$private/named" | grep -cFx -e "refs/heads/$short" -e "refs/tags/$short" || true)
  ((found < 2)) ||
    die 4 "$short is a branch and a tag of $repository; rename one of them, or give the commit: -var commit=ID"
}

list_of_one_name() {
  git ls-remote --quiet origin "refs/heads/$1" "refs/tags/$1" >"$private/named"
}

fetch() {
  local what=${commit:-$(reference)}
  attempt 7 "$root cannot be written" 'Run this as root, with room on the disk.' start_clone
  attempt 4 "$what cannot be fetched from $repository" \
    'Check that it is there, and that the token may read the repository.' \
    git fetch --quiet --depth 1 -- origin "$what"
  [[ -n $commit ]] || refuse_two_of_one_name
  attempt 7 'the files cannot be laid out' 'Is volume_size large enough?' git checkout --quiet --detach FETCH_HEAD
}

# What no list of checksums can name, and what git does not fetch by itself.
refuse_what_cannot_be_verified() {
  local found
  found=$(git ls-tree -r HEAD | sed -n 's/^160000 [^\t]*\t//p' | head -n 1)
  [[ -z $found ]] || die 6 "$found is a submodule, which is not fetched; put its files into the repository."
  found=$(find . -path ./.git -prune -o -name '*[\\[:cntrl:]]*' -printf '%P\n' | tr -c '[:print:]\n' '?' | head -n 1)
  [[ -z $found ]] || die 6 "a file's name has a backslash or a control character: $found; rename it."
}

# The files in LFS, with the checksums that the commit says, as sha256sum reads it.
list_large_files() {
  git lfs ls-files --long | sed -E 's/^([0-9a-f]{64}) [*-] /\1  /' >"$private/large"
}

# Git LFS has each file twice until the clone goes. Better known now than after 30 GB.
refuse_a_small_disk() {
  local needed available
  needed=$(sizes_of_large_files) available=$(df --output=avail --block-size=1 . | tail -n 1)
  ((2 * needed <= available)) ||
    die 7 "the large files of the model have $(gib "$needed") GiB, and twice that is needed while they are fetched;" \
      "$(gib "$available") GiB are free. Give the build a larger volume_size."
}

# Bytes, out of the pointers that stand where the files will be.
sizes_of_large_files() {
  local size sum=0
  while read -r size; do
    ((sum += size))
  done < <(cut -c 67- "$private/large" | tr '\n' '\0' | xargs -0 -r sed -n -E 's/^size ([0-9]+)\r?$/\1/p' --)
  printf '%s' "$sum"
}

gib() {
  printf '%d.%d' "$(($1 / 1073741824))" "$(($1 % 1073741824 * 10 / 1073741824))"
}

# All of them: what the repository's .lfsconfig leaves out, it leaves out of people's clones.
fetch_large_files() {
  attempt 5 'Git LFS cannot say which files are in it' 'See: git lfs fsck' list_large_files
  refuse_a_small_disk
  attempt 5 'Git LFS cannot fetch every file' \
    'Check that they were pushed (git lfs push --all), and the volume_size.' \
    git lfs pull --include= --exclude= origin
}

# The git configuration of the repository is no part of the model.
drop_git() {
  git rev-parse HEAD >"$private/commit"
  rm -rf .git* .lfsconfig "$private/credentials"
}

files() {
  find . -type f ! -path ./MODEL.sha256 | wc -l
}

verify() {
  refuse_links_that_lead_nowhere
  if [[ -s $private/large ]]; then
    attempt 6 'a file is not what Git LFS says' 'Build again, and push the file again if that does not help.' \
      check "$private/large"
  fi
  refuse_pointers
  [[ ! -e BUILD ]] || die 6 'the repository has a file BUILD, the name of what is written here; rename it.'
  if [[ -e MODEL.sha256 ]]; then
    verify_list
  elif [[ ! -s $private/large ]]; then
    die 6 'nothing says what the files should be; use Git LFS, or add: sha256sum FILES... > MODEL.sha256'
  fi
}

# A Job sees the model through a mount of its own: an absolute link means another place there, or none.
refuse_links_that_lead_nowhere() {
  local link target
  while IFS= read -r -d '' link; do
    target=$(readlink "$link")
    [[ $target != /* ]] || die 6 "$link is a link to $target; make it relative, to a file of the model."
    [[ -e $link && $(realpath "$link") == "$(realpath .)"/* ]] ||
      die 6 "$link is a link to $target, which is no file of the model."
  done < <(find . -type l -print0)
}

# A pointer's first line, wherever an editor put a byte order mark, blanks, or the second byte of UTF-16 around it.
refuse_pointers() {
  local pattern pointers
  pattern=$(sed 's/[^+]/[&]\\x00?/g; s/[+]/[\\s\\x00]+/g' <<<'version+https://git-lfs.github.com/spec/')
  pointers=$(find . -type f -size -1025c \
    -exec env LC_ALL=C grep -laP "^[\\xEF\\xBB\\xBF\\xFE\\xFF\\x00\\s]*$pattern" {} + || true)
  [[ -z $pointers ]] || die 6 "${pointers%%$'\n'*} is a pointer, not a file of the model; see: git lfs fsck"
}

# By name: a count is right also where one file is listed twice and another not at all.
verify_list() {
  local file
  listed_names >"$private/listed"
  find . -type f ! -path ./MODEL.sha256 -printf '%P\n' | LC_ALL=C sort >"$private/found"
  file=$(LC_ALL=C comm -13 "$private/listed" "$private/found" | head -n 1)
  [[ -z $file ]] || die 6 "MODEL.sha256 does not list $file; renew it: sha256sum FILES... > MODEL.sha256"
  file=$(LC_ALL=C comm -23 "$private/listed" "$private/found" | tr -c '[:print:]\n' '?' | head -n 1)
  [[ -z $file ]] || die 6 "MODEL.sha256 lists $file, which is no file of the model; renew it: sha256sum FILES... > MODEL.sha256"
  attempt 6 'a file is not what MODEL.sha256 says' 'Bring the file or the list up to date.' check MODEL.sha256
}

# The names that a list has, each once; "a", "./a" and ".//a" are one.
listed_names() {
  sed -E 's/^[0-9A-Fa-f]{64} [ *]//; s#^(\./+)+##; s#/(\.?/)+#/#g' MODEL.sha256 | LC_ALL=C sort -u
}

# The first thing that sha256sum finds wrong; its last word is only how many there are.
check() {
  sha256sum --check --strict --quiet "$1" 2>&1 | head -n 1 >&2
}

describe() {
  printf 'repository=%s\nreference=%s\ncommit=%s\n' "$repository" "$(reference)" "$(<"$private/commit")"
  printf 'files=%s\nlarge_files=%s\n' "$(files)" "$(wc -l <"$private/large")"
  printf 'built_at=%s\n' "$(date --utc +%Y-%m-%dT%H:%M:%SZ)"
}

put_in_place() {
  describe >"$private/BUILD"
  attempt 7 "$root/$name cannot be put in place" 'Run this as root, with room on the disk.' move
}

move() {
  cp "$private/BUILD" "$clone/BUILD" && chmod -R u=rX,go=rX "$clone" && chmod 755 "$root" &&
    rm -rf "${root:?}/$name" && mv -T "$clone" "$root/$name"
}

main() {
  trap clean_up EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  check_environment
  make_private
  await_cloud_init
  install_programs
  hand_token_to_git
  fetch
  refuse_what_cannot_be_verified
  fetch_large_files
  drop_git
  verify
  put_in_place
  printf 'provision: %s is in place, from commit %s\n' "$root/$name" "$(<"$private/commit")"
}

main
