#!/bin/sh
# On the host that holds the secret key: takes the release that CI built, shows what changes, signs it after a yes, hands
# it back by its number and as "signed".
#   sign.sh REGISTRY/NAME SECRET-KEY
set -eu
image=$1 key=$2

pulled=$(swarmboot pull "$image:candidate")
release=${pulled%% *}
swarmboot sign "$release" --key "$key"
swarmboot push "$release" "$image"
swarmboot push "$release" "$image:signed"
