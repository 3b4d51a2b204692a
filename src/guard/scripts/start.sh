# shellcheck shell=sh
# The last lines of every script: which of its parts this process is.
case $0 in
work) worker "$@" ;;
part) "$@" ;;
*) serve ;;
esac
