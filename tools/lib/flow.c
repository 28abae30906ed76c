// SPDX-License-Identifier: GPL-2.0-only
/* Names of what the kernel knows, and small helpers on its structures. */
#include <string.h>
#include <sys/socket.h>

#include "flow.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

const struct invspi_config_key invspi_config_keys[] = {
	{ "flows-max", XFRM_INVSPI_A_CONFIG_FLOWS_MAX, false },
	{ "desync-packets", XFRM_INVSPI_A_CONFIG_DESYNC_PACKETS, false },
	{ "desync-ms", XFRM_INVSPI_A_CONFIG_DESYNC_MS, true },
	{ "idle-ms", XFRM_INVSPI_A_CONFIG_IDLE_MS, true },
	{ "log-interval-ms", XFRM_INVSPI_A_CONFIG_LOG_INTERVAL_MS, true },
	{ "log-rate", XFRM_INVSPI_A_CONFIG_LOG_RATE, false },
	{ "events-rate", XFRM_INVSPI_A_CONFIG_EVENTS_RATE, false },
	{ NULL, 0, false }
};

const char *invspi_reason_name(unsigned int reason)
{
	static const char *const names[INVSPI_REASONS] = {
		[INVSPI_REASON_NO_STATE] = "no_state",
		[INVSPI_REASON_ACQUIRE] = "acquire",
		[INVSPI_REASON_STATE_INVALID] = "state_invalid",
		[INVSPI_REASON_ENCAP_MISMATCH] = "encap_mismatch",
	};

	return reason < ARRAY_SIZE(names) ? names[reason] : NULL;
}

const char *invspi_event_name(unsigned int event)
{
	static const char *const names[INVSPI_EVENTS] = {
		[INVSPI_EVENT_NEW] = "new",
		[INVSPI_EVENT_DESYNC] = "desync",
		[INVSPI_EVENT_CEASED] = "ceased",
	};

	return event < ARRAY_SIZE(names) ? names[event] : NULL;
}

const char *invspi_state_name(uint32_t state)
{
	switch (state) {
	case XFRM_INVSPI_FLOW_STATE_NEW:
		return "new";
	case XFRM_INVSPI_FLOW_STATE_DESYNC:
		return "desync";
	default:
		return NULL;
	}
}

const char *invspi_encap_name(uint32_t encap_type)
{
	switch (encap_type) {
	case XFRM_INVSPI_ENCAP_NONE:
		return "none";
	case XFRM_INVSPI_ENCAP_ESPINUDP:
		return "espinudp";
	case XFRM_INVSPI_ENCAP_ESPINTCP:
		return "espintcp";
	default:
		return NULL;
	}
}

const char *invspi_proto_name(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_ESP:
		return "esp";
	case IPPROTO_AH:
		return "ah";
	default:
		return NULL;
	}
}

bool invspi_flow_same(const struct invspi_flow *a, const struct invspi_flow *b)
{
	size_t len = a->family == AF_INET ? 4 : 16;

	return a->family == b->family && a->proto == b->proto && a->spi == b->spi &&
	       a->encap_type == b->encap_type && a->sport == b->sport &&
	       !memcmp(a->src.b, b->src.b, len) && !memcmp(a->dst.b, b->dst.b, len);
}
