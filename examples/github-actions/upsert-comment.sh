#!/bin/sh
# Posts what `synthex ci plan` wrote as a comment of a pull request: upsert-comment.sh FILE NUMBER
#
# One comment for each environment: the first line of FILE names it, and the earlier comment with the same environment is
# changed. Needs gh, GH_TOKEN (may write pull requests) and GITHUB_REPOSITORY. SYNTHEX_COMMENT_AUTHOR is whose comments
# count, github-actions[bot] unless the token is somebody else's. The comment is data: nothing of it is evaluated.
set -eu
LC_ALL=C
export LC_ALL

fail() {
    printf 'upsert-comment.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

[ $# -eq 2 ] || fail 'give the file and the number of the pull request' 3
file=$1
number=$2
repository=${GITHUB_REPOSITORY:?is not set}
author=${SYNTHEX_COMMENT_AUTHOR:-github-actions[bot]}

[ -r "$file" ] || fail "$file cannot be read" 3
case $number in '' | *[!0-9]*) fail "not the number of a pull request: $number" 3 ;; esac
case $repository in *[!A-Za-z0-9._/-]*) fail "not a repository: $repository" 3 ;; esac
case $author in *[!][A-Za-z0-9_-]*) fail "not an author: $author" 3 ;; esac

# Of the marker only what can stand between quotes below.
marker='s/^\(<!-- synthex:plan:[A-Za-z0-9._-]\{1,128\}:\)[a-z0-9:]\{1,80\} -->$/\1/p'
prefix=$(sed -n -e "1$marker" -e 1q -- "$file")
[ -n "$prefix" ] || fail "$file does not begin with the marker of a plan" 3

comments="repos/$repository/issues/$number/comments"
mine=".[] | select(.user.login == \"$author\") | select(.body // \"\" | startswith(\"$prefix\")) | .id"
ids=$(gh api --paginate "$comments?per_page=100" --jq "$mine")
# The oldest: it stands where people have seen it before.
id=$(printf '%s\n' "$ids" | sed -n 1p)
case $id in *[!0-9]*) fail "gh answered with something that is no comment: $id" ;; esac

if [ -n "$id" ]; then
    gh api --method PATCH "repos/$repository/issues/comments/$id" -F "body=@$file" --jq .html_url
else
    gh api --method POST "$comments" -F "body=@$file" --jq .html_url
fi
