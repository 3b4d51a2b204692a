# shellcheck shell=sh disable=SC2016
# Sends the contents of the files of a list, for those that report no size: hexadecimal bytes, and behind
# each file a line `. STATUS`. The status of `head` takes a way of its own; a failure of `od` is added to
# it, and is no number then.
contents() {
listed xargs -0 -r sh -c 'p=$1; shift
for f; do
s=$({ { $p head -c 16777217 -- "$f" 3>&- 4>&- 2>/dev/null; echo $? >&3; } | od -An -v -tx1 >&4 3>&- || echo od; } 3>&1)
echo ". $s"
done 4>&1' sh "$sudo"
}
