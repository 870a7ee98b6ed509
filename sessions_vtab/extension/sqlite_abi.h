/*
** The part of SQLite's interface for loadable extensions that the extension uses.
**
** SQLite hands an extension a table of its routines. The place of each, the layout of the structures
** and the values of the constants never change (https://sqlite.org/loadext.html,
** https://sqlite.org/c3ref/intro.html), so a C compiler alone is enough to build the extension:
** nobody needs the header files of SQLite. tests/extension/test_abi.py compares every line of this
** file with them where they are installed.
*/
#ifndef SESSIONS_VTAB_SQLITE_ABI_H
#define SESSIONS_VTAB_SQLITE_ABI_H

#ifndef SQLITE_ABI_ROUTINES_ONLY   /* the test has the types from SQLite's own header */
#include <stdint.h>

typedef int64_t sqlite3_int64;
typedef uint64_t sqlite3_uint64;
typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;
typedef struct sqlite3_value sqlite3_value;
typedef struct sqlite3_context sqlite3_context;
typedef struct sqlite3_module sqlite3_module;
typedef void (*sqlite3_destructor_type)(void *);

#define SQLITE_OK 0
#define SQLITE_ERROR 1
#define SQLITE_LOCKED 6
#define SQLITE_NOMEM 7
#define SQLITE_READONLY 8
#define SQLITE_INTERRUPT 9
#define SQLITE_IOERR 10
#define SQLITE_SCHEMA 17
#define SQLITE_CONSTRAINT 19
#define SQLITE_ROW 100
#define SQLITE_DONE 101
#define SQLITE_OK_LOAD_PERMANENTLY 256

#define SQLITE_INTEGER 1
#define SQLITE_FLOAT 2
#define SQLITE_TEXT 3
#define SQLITE_BLOB 4
#define SQLITE_NULL 5
#define SQLITE_UTF8 1
#define SQLITE_TRANSIENT ((sqlite3_destructor_type)-1)

#define SQLITE_INDEX_CONSTRAINT_LIMIT 73
#define SQLITE_INDEX_CONSTRAINT_OFFSET 74
#define SQLITE_INDEX_SCAN_UNIQUE 1
#define SQLITE_STMTSTATUS_RUN 6
#define SQLITE_VTAB_CONSTRAINT_SUPPORT 1
#define SQLITE_VTAB_DIRECTONLY 3

typedef struct sqlite3_vtab {
  const sqlite3_module *pModule;
  int nRef;
  char *zErrMsg;
} sqlite3_vtab;

typedef struct sqlite3_vtab_cursor { sqlite3_vtab *pVtab; } sqlite3_vtab_cursor;

struct sqlite3_index_constraint { int iColumn; unsigned char op, usable; int iTermOffset; };
struct sqlite3_index_orderby { int iColumn; unsigned char desc; };
struct sqlite3_index_constraint_usage { int argvIndex; unsigned char omit; };

typedef struct sqlite3_index_info {
  int nConstraint;
  struct sqlite3_index_constraint *aConstraint;
  int nOrderBy;
  struct sqlite3_index_orderby *aOrderBy;
  struct sqlite3_index_constraint_usage *aConstraintUsage;
  int idxNum;
  char *idxStr;
  int needToFreeIdxStr;
  int orderByConsumed;
  double estimatedCost;
  sqlite3_int64 estimatedRows;
  int idxFlags;
  sqlite3_uint64 colUsed;
} sqlite3_index_info;

/* Version 2 ends after xRollbackTo. Later ones have more, which SQLite does not read in ours. */
struct sqlite3_module {
  int iVersion;
  int (*xCreate)(sqlite3*, void*, int, const char*const*, sqlite3_vtab**, char**);
  int (*xConnect)(sqlite3*, void*, int, const char*const*, sqlite3_vtab**, char**);
  int (*xBestIndex)(sqlite3_vtab*, sqlite3_index_info*);
  int (*xDisconnect)(sqlite3_vtab*);
  int (*xDestroy)(sqlite3_vtab*);
  int (*xOpen)(sqlite3_vtab*, sqlite3_vtab_cursor**);
  int (*xClose)(sqlite3_vtab_cursor*);
  int (*xFilter)(sqlite3_vtab_cursor*, int, const char*, int, sqlite3_value**);
  int (*xNext)(sqlite3_vtab_cursor*);
  int (*xEof)(sqlite3_vtab_cursor*);
  int (*xColumn)(sqlite3_vtab_cursor*, sqlite3_context*, int);
  int (*xRowid)(sqlite3_vtab_cursor*, sqlite3_int64*);
  int (*xUpdate)(sqlite3_vtab*, int, sqlite3_value**, sqlite3_int64*);
  int (*xBegin)(sqlite3_vtab*);
  int (*xSync)(sqlite3_vtab*);
  int (*xCommit)(sqlite3_vtab*);
  int (*xRollback)(sqlite3_vtab*);
  int (*xFindFunction)(sqlite3_vtab*, int, const char*,
                       void (**)(sqlite3_context*, int, sqlite3_value**), void**);
  int (*xRename)(sqlite3_vtab*, const char*);
  int (*xSavepoint)(sqlite3_vtab*, int);
  int (*xRelease)(sqlite3_vtab*, int);
  int (*xRollbackTo)(sqlite3_vtab*, int);
};
#endif /* SQLITE_ABI_ROUTINES_ONLY */

/*
** The routines: X(version that brought it, place in the table, result, name, arguments). What is not
** in the host's version must not be touched: its table ends before.
*/
#define SQLITE_ABI_OLDEST 3031000   /* SQLITE_VTAB_DIRECTONLY */
#define SQLITE_ABI_SETS 3038000     /* IN as a set, LIMIT and right-hand sides in xBestIndex */

#define SQLITE_ABI_ROUTINES(X) \
  X(3007000, 28, int, column_int, (sqlite3_stmt*, int)) \
  X(3007000, 50, int, declare_vtab, (sqlite3*, const char*)) \
  X(3007000, 53, const char*, errmsg, (sqlite3*)) \
  X(3007000, 55, int, exec, (sqlite3*, const char*, \
                             int (*)(void*, int, char**, char**), void*, char**)) \
  X(3007000, 57, int, finalize, (sqlite3_stmt*)) \
  X(3007000, 58, void, free, (void*)) \
  X(3007000, 60, int, get_autocommit, (sqlite3*)) \
  X(3007000, 65, sqlite3_int64, last_insert_rowid, (sqlite3*)) \
  X(3007000, 66, const char*, libversion, (void)) \
  X(3007000, 67, int, libversion_number, (void)) \
  X(3007000, 69, char*, mprintf, (const char*, ...)) \
  X(3007000, 79, void, result_double, (sqlite3_context*, double)) \
  X(3007000, 83, void, result_int64, (sqlite3_context*, sqlite3_int64)) \
  X(3007000, 94, int, step, (sqlite3_stmt*)) \
  X(3007000, 102, const void*, value_blob, (sqlite3_value*)) \
  X(3007000, 103, int, value_bytes, (sqlite3_value*)) \
  X(3007000, 105, double, value_double, (sqlite3_value*)) \
  X(3007000, 107, sqlite3_int64, value_int64, (sqlite3_value*)) \
  X(3007000, 109, const unsigned char*, value_text, (sqlite3_value*)) \
  X(3007000, 113, int, value_type, (sqlite3_value*)) \
  X(3007000, 116, int, prepare_v2, (sqlite3*, const char*, int, sqlite3_stmt**, const char**)) \
  X(3007000, 119, int, create_module_v2, (sqlite3*, const char*, const sqlite3_module*, void*, \
                                          void (*)(void*))) \
  X(3007000, 126, int, create_collation_v2, (sqlite3*, const char*, int, void*, \
    int (*)(void*, int, const void*, int, const void*), void (*)(void*))) \
  X(3007000, 152, sqlite3_stmt*, next_stmt, (sqlite3*, sqlite3_stmt*)) \
  X(3007000, 153, const char*, sql, (sqlite3_stmt*)) \
  X(3007000, 170, int, stmt_status, (sqlite3_stmt*, int, int)) \
  X(3007007, 177, int, vtab_config, (sqlite3*, int, ...)) \
  X(3007007, 178, int, vtab_on_conflict, (sqlite3*)) \
  X(3007011, 181, int, db_readonly, (sqlite3*, const char*)) \
  X(3008006, 184, int, stmt_busy, (sqlite3_stmt*)) \
  X(3008006, 185, int, stmt_readonly, (sqlite3_stmt*)) \
  X(3008007, 201, void, result_blob64, (sqlite3_context*, const void*, sqlite3_uint64, \
                                        void (*)(void*))) \
  X(3008007, 202, void, result_text64, (sqlite3_context*, const char*, sqlite3_uint64, \
                                        void (*)(void*), unsigned char)) \
  X(3014000, 215, char*, expanded_sql, (sqlite3_stmt*)) \
  X(3022000, 222, int, vtab_nochange, (sqlite3_context*)) \
  X(3022000, 223, int, value_nochange, (sqlite3_value*)) \
  X(3022000, 224, const char*, vtab_collation, (sqlite3_index_info*, int)) \
  X(3038000, 257, int, vtab_rhs_value, (sqlite3_index_info*, int, sqlite3_value**)) \
  X(3038000, 258, int, vtab_distinct, (sqlite3_index_info*)) \
  X(3038000, 259, int, vtab_in, (sqlite3_index_info*, int, int)) \
  X(3038000, 260, int, vtab_in_first, (sqlite3_value*, sqlite3_value**)) \
  X(3038000, 261, int, vtab_in_next, (sqlite3_value*, sqlite3_value**))

#endif
