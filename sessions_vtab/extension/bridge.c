/*
** The Python process, the sockets to it and the frames that pass through them: see bridge.h.
**
** One process serves all connections of a host process. A socket pair is the way to it; each database
** connection has another pair, of which the process is sent its end over the first. It lives until
** the host ends: the first pair is closed then, however the host ends.
*/
#define _GNU_SOURCE
#include "bridge.h"
#include "sqlite_abi.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __APPLE__
#include <crt_externs.h>
#define ENVIRONMENT (*_NSGetEnviron())
#else
extern char **environ;
#define ENVIRONMENT environ
#endif
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0   /* macOS: SO_NOSIGPIPE, below */
#endif

#define HEAD 8
#define TICK_MS 100         /* how often a waiting host looks whether it was stopped */
#define PATIENCE_MS 2000    /* how long the process may take to answer a statement that was */
#define BURIAL_MS 2000      /* how long the end of the process may take once its socket is closed */
#define LARGEST (1u << 30)  /* bytes of an answer */

/* ---- Texts and bytes ---------------------------------------------------------------------- */

char *say(const char *form, ...){
  char *text = 0;
  va_list arguments;
  va_start(arguments, form);
  if( vasprintf(&text, form, arguments)<0 ) text = 0;
  va_end(arguments);
  return text;
}

static void fail(char **error, char *text){
  free(*error);
  *error = text;
}

static int reserve(Bytes *to, size_t more){
  if( to->failed ) return 0;
  if( to->length+more<=to->room ) return 1;
  size_t room = (to->length+more)*2+256;
  uint8_t *at = realloc(to->at, room);
  if( at==0 ){
    to->failed = 1;
    return 0;
  }
  to->at = at;
  to->room = room;
  return 1;
}

static void put(Bytes *to, const void *bytes, size_t length){
  if( length==0 || !reserve(to, length) ) return;
  memcpy(to->at+to->length, bytes, length);
  to->length += length;
}

static void put_byte(Bytes *to, char byte){ put(to, &byte, 1); }

static void store_u32(uint8_t *at, uint32_t value){
  for(int k=0; k<4; k++) at[k] = (uint8_t)(value>>(8*k));
}

static void put_u32(Bytes *to, uint32_t value){
  uint8_t bytes[4];
  store_u32(bytes, value);
  put(to, bytes, 4);
}

/* ---- Marshal, version 2 ---------------------------------------------------------------------- */

void put_tuple(Bytes *to, unsigned members){ put_byte(to, '('); put_u32(to, members); }
void put_list(Bytes *to, unsigned members){ put_byte(to, '['); put_u32(to, members); }
void put_none(Bytes *to){ put_byte(to, 'N'); }
void put_unchanged(Bytes *to){ put_byte(to, '.'); }

void put_text(Bytes *to, const char *text, size_t length){
  put_byte(to, 'u');
  put_u32(to, (uint32_t)length);
  put(to, text, length);
}

void put_string(Bytes *to, const char *text){
  if( text ) put_text(to, text, strlen(text)); else put_none(to);
}

void put_blob(Bytes *to, const void *blob, size_t length){
  put_byte(to, 's');
  put_u32(to, (uint32_t)length);
  put(to, blob, length);
}

void put_real(Bytes *to, double value){
  put_byte(to, 'g');
  put(to, &value, 8);   /* marshal is little-endian, as every machine this is built for */
}

void put_integer(Bytes *to, int64_t value){
  if( value>=INT32_MIN && value<=INT32_MAX ){
    put_byte(to, 'i');
    put_u32(to, (uint32_t)value);
    return;
  }
  /* Digits of 15 bits; how many, as a negative number for a negative value. */
  uint64_t rest = value<0 ? 0-(uint64_t)value : (uint64_t)value;
  uint8_t digits[10];
  int count = 0;
  for(; rest; rest >>= 15, count++){
    digits[2*count] = rest & 0xff;
    digits[2*count+1] = (rest>>8) & 0x7f;
  }
  put_byte(to, 'l');
  put_u32(to, (uint32_t)(value<0 ? -count : count));
  put(to, digits, 2*(size_t)count);
}

void put_count(Bytes *to, size_t place, unsigned members){
  if( !to->failed ) store_u32(to->at+place+1, members);
}

static int has(Reader *from, size_t bytes){
  if( (size_t)(from->end-from->at)<bytes ) from->bad = 1;
  return !from->bad;
}

static uint32_t take_u32(Reader *from){
  if( !has(from, 4) ) return 0;
  uint32_t value = 0;
  for(int k=0; k<4; k++) value |= (uint32_t)from->at[k]<<(8*k);
  from->at += 4;
  return value;
}

static int64_t take_long(Reader *from){
  int32_t signed_count = (int32_t)take_u32(from);
  int64_t count = signed_count<0 ? -(int64_t)signed_count : signed_count;
  if( count>5 || !has(from, 2*(size_t)count) ){   /* 75 bits at most: SQLite has 64 */
    from->bad = 1;
    return 0;
  }
  uint64_t value = 0;
  for(int64_t k=count-1; k>=0; k--){
    value = value<<15 | (from->at[2*k] | (uint64_t)(from->at[2*k+1]&0x7f)<<8);
  }
  from->at += 2*count;
  return (int64_t)(signed_count<0 ? 0-value : value);
}

Value take(Reader *from){
  Value value = {'N', 0, 0, 0, 0};
  if( !has(from, 1) ) return value;
  value.type = (char)*from->at++;
  switch( value.type ){
    case 'N': break;
    case 'T': case 'F': value.integer = value.type=='T'; value.type = 'i'; break;
    case 'i': value.integer = (int32_t)take_u32(from); break;
    case 'l': value.integer = take_long(from); value.type = 'i'; break;
    case 'g':
      if( has(from, 8) ){ memcpy(&value.real, from->at, 8); from->at += 8; }
      break;
    case 'u': case 's':
      value.length = take_u32(from);
      if( has(from, value.length) ){ value.at = from->at; from->at += value.length; }
      break;
    case '(': case '[':
      value.length = take_u32(from);
      has(from, value.length);   /* a member has a byte at least: no loop is longer than the answer */
      break;
    default: from->bad = 1;
  }
  if( from->bad ){
    value.type = 'N';
    value.length = 0;
  }
  return value;
}

Value take_tuple(Reader *from, unsigned members){
  Value value = take(from);
  if( value.type!='(' || value.length!=members ) from->bad = 1;
  return value;
}

Value take_text(Reader *from){
  Value value = take(from);
  if( value.type!='u' ) from->bad = 1;
  return value;
}

int64_t take_integer(Reader *from){
  Value value = take(from);
  if( value.type!='i' ) from->bad = 1;
  return value.integer;
}

char *text_of(Value value){
  return value.type=='u' ? strndup((const char*)value.at, value.length) : 0;
}

/* ---- The process ------------------------------------------------------------------------------- */

static struct {
  pthread_mutex_t lock;
  pid_t pid;        /* 0: none */
  int control;      /* socket over which it is given others, and over which it says why it ends */
  char *python;     /* what was started */
  Bridge *bridges;  /* open ones */
} child = {PTHREAD_MUTEX_INITIALIZER, 0, -1, 0, 0};

static void lock(void){ pthread_mutex_lock(&child.lock); }
static void unlock(void){ pthread_mutex_unlock(&child.lock); }

static void shut(int *descriptor){
  if( *descriptor>=0 ) close(*descriptor);
  *descriptor = -1;
}

/* In a forked process: the sockets are the parent's. If copies of them stayed open here, the Python
** process would not see the parent end. The next statement here starts a process of its own. */
static void forked(void){
  shut(&child.control);
  child.pid = 0;
  for(Bridge *one=child.bridges; one; one=one->next) shut(&one->socket);
  unlock();
}

static char *own_file(void){
  Dl_info info;
  if( dladdr((void*)&child, &info)==0 || info.dli_fname==0 ) return 0;
  return realpath(info.dli_fname, 0);
}

/* Once a process. The library stays loaded, also if SQLite unloads it after an error: the handlers
** are in it, and what is known of the Python process. */
static void prepare(void){
  char *file = own_file();
  if( file ) dlopen(file, RTLD_NOW);
  free(file);
  pthread_atfork(lock, unlock, forked);
}

static const char *variable(const char *name){
#ifdef __APPLE__
  const char *value = issetugid() ? 0 : getenv(name);
#else
  const char *value = secure_getenv(name);
#endif
  return value && *value ? value : 0;
}

/* The first line of the file that `sessions-vtab extension` writes beside the library. */
static char *python_beside(const char *file){
  char line[4096], *path = say("%s.python", file), *found = 0;
  FILE *stream = path ? fopen(path, "re") : 0;
  free(path);
  if( stream ){
    if( fgets(line, sizeof line, stream) ){
      line[strcspn(line, "\n")] = 0;
      if( line[0] ) found = say("%s", line);
    }
    fclose(stream);
  }
  return found;
}

/* $SESSIONS_VTAB_PYTHON, the file beside the library, the environment the library is installed in
** (its folder is lib/pythonX.Y/site-packages/sessions_vtab/extension there), or python3 of the PATH. */
static char *find_python(const char *file, const char *folder){
  const char *given = variable("SESSIONS_VTAB_PYTHON");
  if( given ) return say("%s", given);
  char *found = python_beside(file);
  if( found ) return found;
  found = say("%s/../../../../../bin/python3", folder);
  if( found && access(found, X_OK)==0 ) return found;
  free(found);
  return say("python3");
}

/* Not `python -m`: that would run a sessions_vtab found in the working directory. What goes wrong is
** said over the socket: programs with windows have no standard error. */
static const char START[] =
  "import sys\n"
  "sys.path.append(sys.argv[1])\n"
  "try:\n"
  "    from sessions_vtab.extension.child import main\n"
  "except BaseException as error:\n"
  "    import os\n"
  "    name = type(error).__name__\n"
  "    os.write(3, f'{name}: {error}'.encode('utf-8', 'replace')[:1000])\n"
  "    sys.exit(1)\n"
  "main(3)\n";

/* posix_spawn: only what is safe between fork and exec happens in a host with many threads. */
static int spawn(const char *python, const char *packages, int socket){
  char *arguments[] = {(char*)python, "-I", "-c", (char*)START, (char*)packages, 0};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, usual;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, 2, 1);   /* a print must not enter a query's output */
  posix_spawn_file_actions_adddup2(&actions, socket, 3);
  posix_spawnattr_init(&attributes);
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);     /* threads of a JVM block signals */
  sigemptyset(&usual);
  sigaddset(&usual, SIGINT);
  sigaddset(&usual, SIGPIPE);
  sigaddset(&usual, SIGTERM);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  posix_spawnattr_setpgroup(&attributes, 0);          /* a terminal's Ctrl-C is the host's business */
  posix_spawnattr_setflags(&attributes,
    POSIX_SPAWN_SETSIGMASK|POSIX_SPAWN_SETSIGDEF|POSIX_SPAWN_SETPGROUP);
  int rc = posix_spawnp(&child.pid, python, &actions, &attributes, arguments, ENVIRONMENT);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return rc;
}

/* Two connected sockets, the second not 3: descriptor 3 of the new process is made by copying, which
** is what takes the close-on-exec flag off. Returns 0, or errno. */
static int pair_of_sockets(int pair[2]){
#ifdef SOCK_CLOEXEC
  if( socketpair(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0, pair) ) return errno;
#else
  if( socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ) return errno;
  for(int k=0; k<2; k++) fcntl(pair[k], F_SETFD, FD_CLOEXEC);
#endif
#ifdef SO_NOSIGPIPE
  int on = 1;
  setsockopt(pair[0], SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
  if( pair[1]!=3 ) return 0;
  int other = fcntl(3, F_DUPFD_CLOEXEC, 4);
  close(3);
  pair[1] = other;
  return other<0 ? errno : 0;
}

/* Starts the process; with the lock held. Returns 0, or 1 with an error. */
static int start(char **error){
  char *file = own_file();
  char *slash = file ? strrchr(file, '/') : 0;
  if( slash==0 ){
    free(file);
    fail(error, say("sessions_vtab: the extension cannot find its own file."));
    return 1;
  }
  char *folder = strndup(file, (size_t)(slash-file));
  char *packages = say("%s/../..", folder);
  char *python = find_python(file, folder);
  int pair[2] = {-1, -1};
  int rc = python && packages ? pair_of_sockets(pair) : ENOMEM;
  if( rc==0 ) rc = spawn(python, packages, pair[1]);
  if( rc ){
    child.pid = 0;
    fail(error, say("sessions_vtab: cannot start %s: %s. Set SESSIONS_VTAB_PYTHON to the python3 that"
                    " has sessions_vtab.", python ? python : "Python", strerror(rc)));
    shut(&pair[0]);
    free(python);
  }else{
    child.control = pair[0];
    free(child.python);
    child.python = python;
  }
  shut(&pair[1]);
  free(packages);
  free(folder);
  free(file);
  return rc!=0;
}

/* Collects the process, which has closed its sockets, so that no zombie stays; with the lock held.
** Returns what became of it, NULL if that is unknown, and whether it is the one of before. */
static char *bury(void){
  if( child.pid==0 ) return 0;
  char words[1000], *why = 0;
  ssize_t said = recv(child.control, words, sizeof words, MSG_DONTWAIT);
  pid_t done = 0;
  int status = 0;
  for(int waited=0; waited<BURIAL_MS; waited+=5){
    done = waitpid(child.pid, &status, WNOHANG);
    if( done!=0 ) break;
    poll(0, 0, 5);
  }
  if( done==0 ) return 0;   /* it lives: only one socket was closed */
  if( said>0 ){
    why = say("sessions_vtab: %s cannot serve the tables: %.*s. Set SESSIONS_VTAB_PYTHON to the python3"
              " that has sessions_vtab.", child.python, (int)said, words);
  }else if( done==child.pid && WIFSIGNALED(status) ){
    why = say("sessions_vtab: its Python process %d was killed by signal %d; the next statement starts"
              " a new one.", (int)child.pid, WTERMSIG(status));
  }else if( done==child.pid ){
    why = say("sessions_vtab: its Python process %d ended with status %d (what it said is on standard"
              " error); the next statement starts a new one.", (int)child.pid, WEXITSTATUS(status));
  }
  shut(&child.control);
  child.pid = 0;
  return why;
}

static int send_socket(int socket){
  char byte = 'S';
  struct iovec part = {&byte, 1};
  union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control;
  struct msghdr message;
  memset(&control, 0, sizeof control);
  memset(&message, 0, sizeof message);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.room;
  message.msg_controllen = sizeof control.room;
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(head), &socket, sizeof(int));
  return sendmsg(child.control, &message, MSG_NOSIGNAL)==1;
}

/* A new socket whose other end the process has, which is started if need be; or -1, with an error. */
static int new_socket(char **error){
  int pair[2], found = -1;
  lock();
  for(int attempt=0; attempt<2 && found<0; attempt++){
    if( child.pid==0 && start(error) ) break;
    int rc = pair_of_sockets(pair);
    if( rc ){
      fail(error, say("sessions_vtab: no socket to its Python process: %s.", strerror(rc)));
      break;
    }
    if( send_socket(pair[1]) ){
      found = pair[0];
    }else{
      close(pair[0]);
      fail(error, bury());   /* it had ended unnoticed: once more, with a new one */
    }
    close(pair[1]);
  }
  unlock();
  if( found<0 && *error==0 ) fail(error, say("sessions_vtab: its Python process does not answer."));
  return found;
}

pid_t bridge_pid(void){
  lock();
  pid_t found = child.pid;
  unlock();
  return found;
}

/* ---- A connection's side ------------------------------------------------------------------------ */

void bridge_open(Bridge *bridge){
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, prepare);
  bridge->socket = -1;
  lock();
  bridge->next = child.bridges;
  child.bridges = bridge;
  unlock();
}

void bridge_close(Bridge *bridge){
  lock();
  for(Bridge **one=&child.bridges; *one; one=&(*one)->next){
    if( *one==bridge ){
      *one = bridge->next;
      break;
    }
  }
  shut(&bridge->socket);
  unlock();
  free(bridge->out.at);
  free(bridge->in.at);
  free(bridge->version);
}

void begin(Bridge *bridge, char type){
  static const uint8_t head[HEAD];
  bridge->out.length = 0;
  bridge->out.failed = 0;
  put(&bridge->out, head, HEAD);
  if( !bridge->out.failed ) bridge->out.at[4] = (uint8_t)type;
}

static int send_out(Bridge *bridge){
  Bytes *out = &bridge->out;
  store_u32(out->at, (uint32_t)(out->length-HEAD));
  for(size_t at=0; at<out->length; ){
    ssize_t sent = send(bridge->socket, out->at+at, out->length-at, MSG_NOSIGNAL);
    if( sent<0 && errno==EINTR ) continue;
    if( sent<=0 ) return 0;
    at += (size_t)sent;
  }
  return 1;
}

void bridge_tell(Bridge *bridge){
  if( bridge->out.failed || !send_out(bridge) ) shut(&bridge->socket);
}

typedef enum { GOT, LOST, GIVEN_UP } Reception;

/* Waits for bytes. What comes decides, not the clock: only where nothing comes for a tick is the
** host asked whether the user wants to stop, and then the process has its time to say how far it was. */
static Reception receive(Bridge *bridge, uint8_t *to, size_t length, int stoppable, int *stopped){
  int waited = 0;
  while( length ){
    struct pollfd one = {bridge->socket, POLLIN, 0};
    int ready = poll(&one, 1, TICK_MS);
    if( ready<0 && errno!=EINTR ) return LOST;
    if( ready<=0 ){
      if( *stopped ){
        if( ready==0 && (waited += TICK_MS)>=PATIENCE_MS ) return GIVEN_UP;
      }else if( stoppable && bridge->stopped(bridge->about) ){
        *stopped = 1;
        begin(bridge, 'K');
        put_none(&bridge->out);
        if( bridge->out.failed || !send_out(bridge) ) return LOST;
      }
      continue;
    }
    ssize_t got = recv(bridge->socket, to, length, 0);
    if( got<0 && errno==EINTR ) continue;
    if( got<=0 ) return LOST;
    to += got;
    length -= (size_t)got;
  }
  return GOT;
}

int malformed(char **error){
  fail(error, say("sessions_vtab: its Python process gave a malformed answer."));
  return SQLITE_ERROR;
}

/* The connection is of no use any more. */
static int lost(Bridge *bridge, Reception how, char **error){
  shut(&bridge->socket);
  if( how==GIVEN_UP ){
    fail(error, say("interrupted"));
    return SQLITE_INTERRUPT;
  }
  lock();
  char *why = bury();
  unlock();
  fail(error, why ? why : say("sessions_vtab: the connection to its Python process was lost; the next"
                              " statement makes a new one."));
  return bridge->written ? SQLITE_IOERR : SQLITE_ERROR;
}

int bridge_ask(Bridge *bridge, Bytes *into, Reader *answer, int stoppable, char **error){
  uint8_t head[HEAD];
  int stopped = 0;
  if( bridge->out.failed ) return SQLITE_NOMEM;
  if( bridge->socket<0 || !send_out(bridge) ) return lost(bridge, LOST, error);
  Reception how = receive(bridge, head, HEAD, stoppable, &stopped);
  if( how!=GOT ) return lost(bridge, how, error);
  Reader length = {head, head+HEAD, 0};
  uint32_t bytes = take_u32(&length);
  into->length = 0;
  into->failed = 0;
  if( bytes>LARGEST || !reserve(into, bytes) ){   /* the rest of it cannot be skipped in good time */
    shut(&bridge->socket);
    return malformed(error);
  }
  how = receive(bridge, into->at, bytes, stoppable, &stopped);
  if( how!=GOT ) return lost(bridge, how, error);
  into->length = bytes;
  *answer = (Reader){into->at, into->at+bytes, 0};
  switch( head[4] ){
    case 'R': return SQLITE_OK;
    case 'J': return ASK_AGAIN;
    case 'E': break;
    default: return malformed(error);
  }
  take_tuple(answer, 2);
  int code = (int)take_integer(answer);
  char *text = text_of(take_text(answer));
  if( answer->bad || code<=SQLITE_OK || (code&0xff)>=SQLITE_ROW || text==0 ){
    free(text);
    return malformed(error);
  }
  fail(error, text);
  return code;
}

int bridge_connect(Bridge *bridge, Reader *catalog, char **error){
  if( bridge->socket>=0 ) return SQLITE_OK;
  Reader answer;
  int socket = new_socket(error);
  if( socket<0 ) return SQLITE_ERROR;
  fail(error, 0);   /* of a first attempt */
  bridge->socket = socket;
  bridge->generation++;
  begin(bridge, 'H');
  put_tuple(&bridge->out, 3);
  put_integer(&bridge->out, PROTOCOL);
  put_integer(&bridge->out, bridge->host_version);
  put_integer(&bridge->out, getpid());
  int rc = bridge_ask(bridge, &bridge->in, &answer, 0, error);
  if( rc==SQLITE_OK ){
    take_tuple(&answer, 2);
    char *version = text_of(take_text(&answer));
    if( answer.bad || version==0 ) rc = malformed(error);
    free(bridge->version);
    bridge->version = version;
  }
  if( rc ){
    shut(&bridge->socket);
    return rc>0 ? rc : malformed(error);
  }
  if( catalog ) *catalog = answer;
  return SQLITE_OK;
}
