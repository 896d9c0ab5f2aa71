#!/bin/sh
# metatap in its own Python environment, with the configuration of this host unless told otherwise.
: "${METATAP_CONFIG=/etc/metatap/metatap.yaml}"
export METATAP_CONFIG
exec /usr/lib/metatap/bin/python -I -m metatap "$@"
