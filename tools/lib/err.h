/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Error text that travels with a negative errno.
 *
 * Every function that can be given bad input, or that talks to the kernel,
 * takes a struct invspi_err (NULL if the caller doesn't want the text) and
 * fills it on failure with one line without a newline: what was wrong, with
 * the value quoted, and what to do about it. Success leaves it alone.
 */
#ifndef INVSPI_LIB_ERR_H
#define INVSPI_LIB_ERR_H

#define INVSPI_ERR_LEN 512

struct invspi_err {
	char text[INVSPI_ERR_LEN];
};

/**
 * invspi_err_set() - fill an error text
 * @err: where to, or NULL
 * @code: errno of the failure, positive or negative
 * @format: as for printf; control bytes in the result are escaped
 *
 * Return: -@code, so that a caller can `return invspi_err_set(...)`.
 */
int invspi_err_set(struct invspi_err *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif /* INVSPI_LIB_ERR_H */
