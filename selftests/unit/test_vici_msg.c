// SPDX-License-Identifier: GPL-2.0-only
/*
 * VICI: messages written and pulled apart.
 */
#include <errno.h>

#include "ktap.h"
#include "vici.h"

/* Renders a message, or "!" where it is bad. */
static char *render(const uint8_t *msg, size_t len)
{
	struct vici_parser p;
	struct vici_element e;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int type;

	vici_parser_init(&p, msg, len);
	while ((type = vici_next(&p, &e)) > 0) {
		switch (type) {
		case VICI_SECTION_START:
			fprintf(f, "%.*s{", (int)e.name.len, e.name.s);
			break;
		case VICI_SECTION_END:
			fputc('}', f);
			break;
		case VICI_KEY_VALUE:
			fprintf(f, "%.*s=%.*s ", (int)e.name.len, e.name.s, (int)e.value.len,
				e.value.s);
			break;
		case VICI_LIST_START:
			fprintf(f, "%.*s[", (int)e.name.len, e.name.s);
			break;
		case VICI_LIST_ITEM:
			fprintf(f, "%.*s,", (int)e.value.len, e.value.s);
			break;
		case VICI_LIST_END:
			fputc(']', f);
			break;
		}
	}
	if (type < 0)
		fputc('!', f);
	fclose(f);
	return text;
}

static void rendered(const char *name, const char *expected, const uint8_t *msg, size_t len)
{
	char *text = render(msg, len);

	ktap_str(name, expected, text);
	free(text);
}

static void sample(struct vici_buf *b)
{
	memset(b, 0, sizeof(*b));
	vici_put(b, "key", "value");
	vici_put_section(b, "sub");
	vici_put(b, "empty", "");
	vici_put_list(b, "list");
	vici_put_item(b, "one");
	vici_put_item(b, "");
	vici_put_list_end(b);
	vici_put_section(b, "deeper");
	vici_put_section_end(b);
	vici_put_section_end(b);
	vici_putf(b, "n", "%d", 42);
}

static void test_write(void)
{
	static const uint8_t wire[] =
		"\3\3key\0\5value\1\3sub\3\5empty\0\0\4\4list\5\0\3one\5\0\0\6"
		"\1\6deeper\2\2\3\1n\0\2"
		"42";
	struct vici_buf b;

	sample(&b);
	ktap_int("a good message is whole", 0, vici_buf_check(&b));
	ktap_int("its length on the wire", sizeof(wire) - 1, b.len);
	ktap_ok(b.len == sizeof(wire) - 1 && !memcmp(b.data, wire, b.len),
		"its bytes are those that the protocol describes");
	rendered("and it reads back", "key=value sub{empty= list[one,,]deeper{}}n=42 ", b.data,
		 b.len);
	vici_buf_free(&b);
}

static void test_write_errors(void)
{
	struct vici_buf b = { 0 };
	char *big = malloc(70001);
	int i;

	memset(big, 'x', 70000);
	big[70000] = '\0';
	vici_put(&b, "k", big);
	ktap_int("a value of 70,000 bytes does not fit", -ENAMETOOLONG, vici_buf_check(&b));
	vici_buf_free(&b);
	vici_put(&b, "k", big + 70000 - 65535);
	ktap_int("one of 65,535 does", 0, vici_buf_check(&b));
	vici_buf_free(&b);
	vici_put(&b, big + 70000 - 256, "v");
	ktap_int("a name of 256 bytes does not fit", -ENAMETOOLONG, vici_buf_check(&b));
	vici_buf_free(&b);
	for (i = 0; i < 9; i++)
		vici_put(&b, "k", big + 70000 - 65530);
	ktap_int("more than 512 KiB do not fit", -EMSGSIZE, vici_buf_check(&b));
	vici_buf_free(&b);
	vici_put_section(&b, "open");
	ktap_int("a section left open", -EINVAL, vici_buf_check(&b));
	vici_buf_free(&b);
	vici_put_section_end(&b);
	ktap_int("a section closed twice", -EINVAL, vici_buf_check(&b));
	vici_buf_free(&b);
	vici_put_list(&b, "l");
	vici_put(&b, "k", "v");
	vici_put_list_end(&b);
	ktap_int("a key in a list", -EINVAL, vici_buf_check(&b));
	vici_buf_free(&b);
	vici_put_item(&b, "i");
	ktap_int("an item outside of one", -EINVAL, vici_buf_check(&b));
	vici_buf_free(&b);
	free(big);
}

/* Every prefix of a good message but those that end between elements of the top is bad. */
static void test_truncation(void)
{
	struct vici_buf b;
	unsigned int good = 0;
	size_t len, n;
	uint8_t *copy;
	char *text;

	sample(&b);
	for (len = 0; len < b.len; len++) {
		copy = malloc(len ? len : 1); /* so that a sanitizer sees a read behind it */
		memcpy(copy, b.data, len);
		text = render(copy, len);
		n = strlen(text);
		if (!n || text[n - 1] != '!')
			good++;
		free(text);
		free(copy);
	}
	ktap_int("of all truncations only those between top-level elements are whole", 3, good);
	vici_buf_free(&b);
}

static void test_garbage(void)
{
	static const struct {
		const char *name, *expected;
		const char *bytes;
		size_t len;
	} cases[] = {
		{ "an unknown element", "!", "\7", 1 },
		{ "element 0", "!", "\0", 1 },
		{ "the end of a section that was not begun", "!", "\2", 1 },
		{ "the end of a list that was not begun", "!", "\6", 1 },
		{ "an item outside of a list", "!", "\5\0\1x", 4 },
		{ "a key in a list", "l[!", "\4\1l\3\1k\0\1v", 8 },
		{ "a section in a list", "l[!", "\4\1l\1\1s", 6 },
		{ "a list in a list", "l[!", "\4\1l\4\1m", 6 },
		{ "a section end in a list", "s{l[!", "\1\1s\4\1l\2", 7 },
		{ "a name longer than the message", "!", "\3\377k", 3 },
		{ "a value longer than the message", "!", "\3\1k\377\377v", 6 },
		{ "half a length", "!", "\3\1k\0", 4 },
		{ "an empty name", "=v ", "\3\0\0\1v", 5 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		rendered(cases[i].name, cases[i].expected, (const uint8_t *)cases[i].bytes,
			 cases[i].len);
}

static void test_depth(void)
{
	uint8_t nested[3 * 40];
	struct vici_parser p;
	struct vici_element e;
	int i, deep = 0;

	for (i = 0; i < 40; i++)
		memcpy(nested + 3 * i, "\1\1s", 3);
	vici_parser_init(&p, nested, sizeof(nested));
	while (vici_next(&p, &e) > 0)
		deep++;
	ktap_int("sections are followed down to a limit", VICI_DEPTH_MAX, deep);
	ktap_int("and an error stays", -EBADMSG, vici_next(&p, &e));
}

static void test_skip(void)
{
	struct vici_parser p;
	struct vici_element e;
	struct vici_buf b;

	sample(&b);
	vici_parser_init(&p, b.data, b.len);
	vici_next(&p, &e);
	vici_next(&p, &e);
	ktap_int("a section can be skipped", 0, vici_skip(&p));
	ktap_ok(vici_next(&p, &e) == VICI_KEY_VALUE && vici_str_is(e.name, "n"),
		"then comes what is behind it");
	vici_parser_init(&p, b.data, b.len);
	while (vici_next(&p, &e) != VICI_LIST_START)
		;
	ktap_int("so can a list", 0, vici_skip(&p));
	ktap_ok(vici_next(&p, &e) == VICI_SECTION_START && vici_str_is(e.name, "deeper"),
		"then comes what is behind it");
	vici_parser_init(&p, b.data, b.len - 10);
	vici_next(&p, &e);
	vici_next(&p, &e);
	ktap_int("one without end can't", -EBADMSG, vici_skip(&p));
	vici_buf_free(&b);
}

static void test_text(void)
{
	struct vici_str nul = { "a\0b", 3 }, five = { "4294967296", 9 }, six = { "4294967296", 10 };
	struct vici_str hex = { "Cafe01x", 6 }, bad = { "Cafe01x", 7 }, none = { "", 0 };
	char *copy = NULL;
	uint64_t n = 0;

	ktap_int("a text with a NUL in it is refused", -EBADMSG, vici_str_dup(nul, &copy));
	ktap_ok(!copy, "and not copied");
	ktap_int("digits", 0, vici_str_number(five, 10, UINT32_MAX, &n));
	ktap_int("their value", 429496729, n);
	ktap_int("one more is too many for 32 bits", -EBADMSG,
		 vici_str_number(six, 10, UINT32_MAX, &n));
	ktap_int("hexadecimal", 0, vici_str_number(hex, 16, UINT32_MAX, &n));
	ktap_int("its value", 0xcafe01, n);
	ktap_int("with something behind", -EBADMSG, vici_str_number(bad, 16, UINT32_MAX, &n));
	ktap_int("nothing is no number", -EBADMSG, vici_str_number(none, 10, UINT32_MAX, &n));
	ktap_int("hexadecimal digits are not decimal", -EBADMSG,
		 vici_str_number(hex, 10, UINT32_MAX, &n));
}

int main(void)
{
	test_write();
	test_write_errors();
	test_truncation();
	test_garbage();
	test_depth();
	test_skip();
	test_text();
	return ktap_done();
}
