#!/bin/sh
# On the head node: takes the release that was signed last, proves it, and gives it to the nodes that follow the channel.
#   deploy.sh REGISTRY/NAME PUBLIC-KEY CHANNEL
set -eu
image=$1 key=$2 channel=$3

pulled=$(swarmboot pull "$image:signed")
release=${pulled%% *}
swarmboot verify "$release" --key "$key"
swarmboot tag "$release" "$channel"
