/*
** Requests to the Python process that serves the tables, and its answers.
**
** A frame is a head of 8 bytes (length of what follows as a little-endian u32, type, three zeros) and
** one value in Python's marshal format, version 2, of which only N T F . i l g u s ( [ occur. Every
** request but D, X and K has exactly one answer: R, with the result, or E, with (SQLite's error code,
** message). F may also be answered by J; see below. The requests, and the results of their answers:
**
**   H hello: (protocol, SQLite's version number, pid)
**       -> (version of sessions_vtab, [(schema, name, source, table, kind)])
**     what is to be created: a table (0), a function (1: neither schema nor source matter), a view (2:
**     `table` is the CREATE VIEW statement)
**   C connect: (schema, name, source, table, kind: 0 or 1)
**       -> (number of the table, CREATE TABLE statement, place of the key or -1, direct only)
**   B best index: (table, [(column, operator, usable, listed, collation, right-hand side)],
**                  [(column, descending)], columns)
**       -> ([(argument, omit, as a set)], words, ordered, cost, rows, unique), or None for no plan
**     columns: a bit for each that is used; bit 63 stands for the 64th and all that follow
**   F filter: (table, cursor, statement, words, columns, arguments, positions, flags, text)
**       -> batch: (whether it is the last, [row])
**     a set is a list among the arguments; positions: (cursor, rows that SQLite has taken) of the other
**     open scans; flags: FLAG_.. below; text: of the statement, where it matters, else None
**     row: a tuple of the columns asked for, as far as the table has them; or the value itself if
**     exactly one is asked for, and not bit 63
**     J instead of R: (statement): "run that on the connection and ask again"
**     None in place of a key that is the only column: the row may only be counted; V asks for the key
**   N next: (cursor) -> batch
**   V key of a row of the last batch: (cursor, rows of the scan before it) -> (key)
**   U update: (table, statement, conflict, text, values) -> ()
**     values: as xUpdate has them; Ellipsis (.) for a column that does not change
**   T transaction: (table, hook, level, statement) -> ()
**     hook: b(egin) s(ync) c(ommit) r(ollback) S(avepoint) L (release) R (rollback to)
**     level: of a savepoint; of b, whether it is within BEGIN
**   Z compare two times: (text, text) -> (negative, 0 or positive)
**   D forget a table: (table).  X close a cursor: (cursor, whether one that takes over is open).
**   K cancel what is being answered: None
*/
#ifndef SESSIONS_VTAB_BRIDGE_H
#define SESSIONS_VTAB_BRIDGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROTOCOL 1

#define FLAG_READS 1         /* the statement changes no table by itself */
#define FLAG_ONLY_READS 2    /* the connection is read-only: functions must not act */
#define FLAG_TRANSACTION 4   /* within BEGIN */

/* Bytes that grow. After a failed allocation nothing more is added, and `failed` is set. */
typedef struct Bytes { uint8_t *at; size_t length, room; int failed; } Bytes;

void put_tuple(Bytes *to, unsigned members);
void put_list(Bytes *to, unsigned members);
void put_none(Bytes *to);
void put_unchanged(Bytes *to);
void put_integer(Bytes *to, int64_t value);
void put_real(Bytes *to, double value);
void put_text(Bytes *to, const char *text, size_t length);
void put_string(Bytes *to, const char *text);   /* NULL: None */
void put_blob(Bytes *to, const void *blob, size_t length);
/* Writes the number of members into a list or tuple whose head begins at `place`. */
void put_count(Bytes *to, size_t place, unsigned members);

/* A scalar, or the head of a tuple or list: then `length` values follow. Booleans are integers. */
typedef struct Value {
  char type;
  const uint8_t *at;
  uint32_t length;
  int64_t integer;
  double real;
} Value;

/* Where the reading of an answer stands; `bad` once it made no sense, and then every value is None. */
typedef struct Reader { const uint8_t *at, *end; int bad; } Reader;

Value take(Reader *from);
Value take_tuple(Reader *from, unsigned members);   /* bad unless it is one of that many */
Value take_text(Reader *from);
int64_t take_integer(Reader *from);
char *text_of(Value value);                          /* to be freed; NULL if it is no text */

/* A text that says something, to be freed; NULL if memory is short. */
char *say(const char *form, ...) __attribute__((format(printf, 1, 2)));

/* The side of one database connection. */
typedef struct Bridge {
  int socket;              /* -1: not connected */
  unsigned generation;     /* of the socket: what an earlier child was told does not hold any more */
  unsigned written;        /* generation in which the open transaction has written; 0: none */
  Bytes out, in;
  char *version;           /* of the Python package, once it has said hello */
  int host_version;        /* SQLite's */
  int (*stopped)(void *);  /* whether the user wants the statement to stop */
  void *about;             /* its argument */
  struct Bridge *next;     /* of this process */
} Bridge;

void bridge_open(Bridge *bridge);
void bridge_close(Bridge *bridge);

/* Connects to the Python process, starting it if need be. Returns SQLite's code.
** catalog: what there is to create, in `bridge->in`, if a new connection was made; may be NULL. */
int bridge_connect(Bridge *bridge, Reader *catalog, char **error);

void begin(Bridge *bridge, char type);
/* Sends what was put into `out` since `begin`, without waiting for an answer. */
void bridge_tell(Bridge *bridge);
/* Sends it and waits for the answer, which stays in `into`. Returns SQLite's code, with `error`, or
** ASK_AGAIN after a J. */
int bridge_ask(Bridge *bridge, Bytes *into, Reader *answer, int stoppable, char **error);
#define ASK_AGAIN (-1)
int malformed(char **error);

pid_t bridge_pid(void);   /* of the Python process; 0 if none runs */

#endif
