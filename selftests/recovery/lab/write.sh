# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Writes the daemons' configurations as the knobs say: strongswan.conf and swanctl.conf,
# or ipsec.conf. Sourced by lab.sh.

# knob NAME NODE - prints the lines for both and for this node
knob()
{
	local both=LAB_$1 one=LAB_$1_$2

	printf '%s\n%s\n' "${!both:-}" "${!one:-}"
}

# other_node NODE
other_node()
{
	[ "$1" = A ] && echo B || echo A
}

# auth_psk NODE - both by their names and a common secret
auth_psk()
{
	cat <<-C
	local {
		auth = psk
		id = ${1,,}.example
	}
	remote {
		auth = psk
		id = $(other_node "$1" | tr AB ab).example
	}
	C
}

secrets_psk()
{
	cat <<-C
	ike-lab {
		id-a = a.example
		id-b = b.example
		id-c = c.example
		secret = "only for this lab"
	}
	C
}

# child_sections NODE
child_sections()
{
	local c left right

	for c in $LAB_CHILDREN; do
		read -r left right <<<"${LAB_TS[$c]}"
		[ "$1" = A ] || read -r right left <<<"${LAB_TS[$c]}"
		cat <<-C
		$c {
			local_ts = $left
			remote_ts = $right
			$(knob CHILD "$1")
		}
		C
	done
}

# daemon_configure NODE - strongswan.conf
daemon_configure()
{
	local n=$1 dir=$LAB/$1

	mkdir -p "$dir"
	cat >"$dir/strongswan.conf" <<-C
	swanctl {
		socket = unix://$dir/vici
		load = random nonce aes sha1 sha2 hmac pem pkcs1 pubkey x509 openssl
	}
	charon-systemd {
		load = $LAB_PLUGINS
		plugins {
			vici {
				socket = unix://$dir/vici
			}
		}
		filelog {
			file {
				path = $dir/charon.log
				append = yes
				time_format = %H:%M:%S
				time_add_ms = yes
				default = 1
				flush_line = yes
			}
		}
		journal {
			default = -1
		}
		$(knob CHARON "$n")
	}
	C
}

# lab_configure NODE
lab_configure()
{
	local daemon

	daemon_of "$1"
	"${daemon}_configure" "$1"
}

# setup_section NODE - of ipsec.conf
setup_section()
{
	cat <<-C
	config setup
	    logfile=$LAB/$1/pluto.log
	    logtime=yes
	    ikev1-policy=accept
	C
}

# pluto_configure NODE - setup.conf, and ipsec.conf with a connection for each child
pluto_configure()
{
	local n=$1 dir=$LAB/$1 other c left right

	other=$(other_node "$n")
	mkdir -p "$dir"
	setup_section "$n" >"$dir/setup.conf"
	{
		setup_section "$n"
		for c in $LAB_CHILDREN; do
			read -r left right <<<"${LAB_TS[$c]}"
			[ "$n" = A ] || read -r right left <<<"${LAB_TS[$c]}"
			cat <<-C
			conn $c
			    authby=secret
			    left=${LAB_LOCAL[$n]:-${LAB_OUTER[$n]}}
			    leftid=@${n,,}.example
			    leftsubnet=$left
			    right=${LAB_REMOTE[$n]:-${LAB_OUTER[$other]}}
			    rightid=@${other,,}.example
			    rightsubnet=$right
			    ike=aes_gcm128-sha2_256-dh31
			    esp=aes_gcm128
			    pfs=no
			C
			# libreswan 4 takes no key twice
			knob PLUTO "$n" | sed '/./s/^[[:space:]]*/    /'
			[[ $(knob PLUTO "$n") == *auto=* ]] || echo "    auto=add"
		done
	} | sed '/^[[:space:]]*$/d' >"$dir/ipsec.conf"
	echo ': PSK "only for this lab"' >"$dir/ipsec.secrets"
	chmod 600 "$dir/ipsec.secrets"
}

# charon_configure NODE
charon_configure()
{
	local n=$1 dir=$LAB/$1 other

	other=$(other_node "$n")
	daemon_configure "$n"
	cat >"$dir/swanctl.conf" <<-C
	connections {
		gw {
			version = 2
			local_addrs = ${LAB_LOCAL[$n]:-${LAB_OUTER[$n]}}
			remote_addrs = ${LAB_REMOTE[$n]:-${LAB_OUTER[$other]}}
			$(knob CONN "$n")
			$($LAB_AUTH "$n")
			children {
				$(child_sections "$n")
			}
		}
		$(knob MORE "$n")
	}
	secrets {
		$($LAB_SECRETS "$n")
	}
	$(knob TOP "$n")
	C
}
