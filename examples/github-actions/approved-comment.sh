#!/bin/sh
# Fetches the comment with the plan that was approved by merging: approved-comment.sh COMMIT ENVIRONMENT FILE
#
# COMMIT is the commit that the merge made; ENVIRONMENT is the project's, or `default` where it has none. Writes the text
# of the comment to FILE. Needs gh, GH_TOKEN (may read pull requests) and GITHUB_REPOSITORY. Only comments of
# SYNTHEX_COMMENT_AUTHOR count, github-actions[bot] unless it says otherwise: anybody can write a comment.
set -eu
LC_ALL=C
export LC_ALL

fail() {
    printf 'approved-comment.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

[ $# -eq 3 ] || fail 'give the commit, the environment and the file to write' 3
commit=$1
environment=$2
file=$3
repository=${GITHUB_REPOSITORY:?is not set}
author=${SYNTHEX_COMMENT_AUTHOR:-github-actions[bot]}

case $commit in '' | *[!0-9a-f]*) fail "not a commit: $commit" 3 ;; esac
case $environment in '' | *[!A-Za-z0-9._-]*) fail "not an environment: $environment" 3 ;; esac
case $repository in *[!A-Za-z0-9._/-]*) fail "not a repository: $repository" 3 ;; esac
case $author in *[!][A-Za-z0-9_-]*) fail "not an author: $author" 3 ;; esac

merged=".[] | select(.merged_at != null and .merge_commit_sha == \"$commit\") | .number"
numbers=$(gh api "repos/$repository/commits/$commit/pulls" --jq "$merged")
number=$(printf '%s\n' "$numbers" | sed -n 1p)
case $number in
'') fail "no pull request was merged as $commit; apply by hand with a digest" 3 ;;
*[!0-9]*) fail "gh answered with something that is no pull request: $number" ;;
esac

prefix="<!-- synthex:plan:$environment:"
mine=".[] | select(.user.login == \"$author\") | select(.body // \"\" | startswith(\"$prefix\")) | .id"
ids=$(gh api --paginate "repos/$repository/issues/$number/comments?per_page=100" --jq "$mine")
id=$(printf '%s\n' "$ids" | sed -n 1p)
case $id in
'') fail "pull request $number has no comment with a plan for environment $environment" 3 ;;
*[!0-9]*) fail "gh answered with something that is no comment: $id" ;;
esac

gh api "repos/$repository/issues/comments/$id" --jq .body >"$file"
printf 'the plan of pull request %s, comment %s\n' "$number" "$id"
