// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench_bpf - loads an eBPF object, attaches all its programs, reads its maps
 *
 * Says "ready", then obeys lines on its standard input until that ends:
 *   dump MAP    "KEY PACKETS BYTES" for each entry, KEY in hexadecimal
 *   memory MAP  the bytes that the kernel accounts for
 * Each answer ends with an empty line.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define KEY_MAX 64

/* The value of rival.bpf.c */
struct flow {
	uint64_t packets;
	uint64_t bytes;
	uint64_t first;
	uint64_t last;
};

static void die(const char *what, int err)
{
	fprintf(stderr, "bench_bpf: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static void dump(const struct bpf_map *map)
{
	uint32_t size = bpf_map__key_size(map);
	int fd = bpf_map__fd(map);
	uint8_t key[KEY_MAX], next[KEY_MAX];
	void *previous = NULL;
	struct flow flow;

	if (size > KEY_MAX || bpf_map__value_size(map) != sizeof(flow))
		die(bpf_map__name(map), EINVAL);
	while (!bpf_map_get_next_key(fd, previous, next)) {
		memcpy(key, next, size);
		previous = key;
		if (bpf_map_lookup_elem(fd, key, &flow))
			continue;
		for (uint32_t i = 0; i < size; i++)
			printf("%02x", key[i]);
		printf(" %llu %llu\n", (unsigned long long)flow.packets,
		       (unsigned long long)flow.bytes);
	}
}

static void memory(const struct bpf_map *map)
{
	char path[64], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", bpf_map__fd(map));
	f = fopen(path, "r");
	if (!f)
		die(path, errno);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "memlock:", 8))
			printf("%lu\n", strtoul(line + 8, NULL, 10));
	fclose(f);
}

static void obey(struct bpf_object *obj)
{
	char command[16], name[32];

	while (scanf("%15s %31s", command, name) == 2) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, name);

		if (!map)
			die(name, ENOENT);
		if (!strcmp(command, "dump"))
			dump(map);
		else if (!strcmp(command, "memory"))
			memory(map);
		puts("");
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	struct bpf_program *prog = NULL;
	struct bpf_object *obj;
	int err;

	if (argc != 2) {
		fputs("usage: bench_bpf OBJECT\n", stderr);
		return 2;
	}
	obj = bpf_object__open_file(argv[1], NULL);
	if (!obj)
		die(argv[1], errno);
	err = bpf_object__load(obj);
	if (err)
		die("load", err);
	while ((prog = bpf_object__next_program(obj, prog)))
		if (!bpf_program__attach(prog))
			die(bpf_program__name(prog), errno);
	puts("ready");
	fflush(stdout);
	obey(obj);
	return 0;
}
