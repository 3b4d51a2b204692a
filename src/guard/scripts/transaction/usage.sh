#!/bin/sh
# For people, where fleet is not at hand. fleet itself never runs this file.
#
#   sh finish            says where this restore is
#   sh finish forward    puts everything in place, as it was meant
#   sh finish back       puts everything back, as it was
#   sh finish done       removes what the restore has left, after one of these; there is no way back then
#
# It deals with all directories of the restore that its record names, or with the one that it is in. Services
# and databases are not touched: the file `record` names those.
