/* The operating system that the sandbox does not have, answered inside the guest.
 *
 * wasi-libc reaches WASI through the symbols below. Defining them here keeps them out of the module's imports: what
 * remains for the host is time, sleep, randomness, exit, and fd_write, which carries standard output and error. So there
 * is no file, directory, socket, argument or environment variable, whatever a host would offer.
 *
 * Descriptors 0, 1 and 2 are open streams that cannot seek; input is at its end.
 */
#include <stdint.h>
#include <string.h>

enum { E_SUCCESS = 0, E_BADF = 8, E_NOENT = 44, E_NOTSUP = 58, E_SPIPE = 70 };
enum { FILE_TYPE_STREAM = 6 };
#define STANDARD_DESCRIPTORS 3u

#define CALL(name) int32_t __imported_wasi_snapshot_preview1_##name
#define REFUSED(name, parameters, error) \
  CALL(name) parameters { return error; }
/* On a descriptor: `error` if it is one of the three, else that there is no such descriptor. */
#define ON_DESCRIPTOR(name, parameters, error) \
  CALL(name) parameters { return fd < STANDARD_DESCRIPTORS ? (error) : E_BADF; }

static int32_t store_zeros(uint32_t* first, uint32_t* second) {
  *first = 0;
  *second = 0;
  return E_SUCCESS;
}

CALL(args_sizes_get)(uint32_t* count, uint32_t* size) { return store_zeros(count, size); }
CALL(environ_sizes_get)(uint32_t* count, uint32_t* size) { return store_zeros(count, size); }
REFUSED(args_get, (uint32_t list, uint32_t buffer), E_SUCCESS)
REFUSED(environ_get, (uint32_t list, uint32_t buffer), E_SUCCESS)
REFUSED(sched_yield, (void), E_SUCCESS)

/* struct fdstat: file type, flags, rights. */
CALL(fd_fdstat_get)(uint32_t fd, uint8_t* stat) {
  if (fd >= STANDARD_DESCRIPTORS) return E_BADF;
  memset(stat, 0, 24);
  stat[0] = FILE_TYPE_STREAM;
  memset(stat + 8, 0xff, 8);
  return E_SUCCESS;
}

/* struct filestat: device, inode, file type, links, size, three times. */
CALL(fd_filestat_get)(uint32_t fd, uint8_t* stat) {
  if (fd >= STANDARD_DESCRIPTORS) return E_BADF;
  memset(stat, 0, 64);
  stat[16] = FILE_TYPE_STREAM;
  return E_SUCCESS;
}

CALL(fd_read)(uint32_t fd, uint32_t vectors, uint32_t count, uint32_t* size) {
  if (fd != 0) return E_BADF;
  *size = 0;
  return E_SUCCESS;
}

REFUSED(fd_prestat_get, (uint32_t fd, uint32_t prestat), E_BADF)
REFUSED(fd_prestat_dir_name, (uint32_t fd, uint32_t path, uint32_t length), E_BADF)
ON_DESCRIPTOR(fd_advise, (uint32_t fd, uint64_t offset, uint64_t length, uint32_t advice), E_SPIPE)
ON_DESCRIPTOR(fd_allocate, (uint32_t fd, uint64_t offset, uint64_t length), E_SPIPE)
ON_DESCRIPTOR(fd_close, (uint32_t fd), E_SUCCESS)
ON_DESCRIPTOR(fd_datasync, (uint32_t fd), E_SUCCESS)
ON_DESCRIPTOR(fd_fdstat_set_flags, (uint32_t fd, uint32_t flags), E_SUCCESS)
ON_DESCRIPTOR(fd_fdstat_set_rights, (uint32_t fd, uint64_t base, uint64_t inheriting), E_NOTSUP)
ON_DESCRIPTOR(fd_filestat_set_size, (uint32_t fd, uint64_t size), E_SPIPE)
ON_DESCRIPTOR(fd_filestat_set_times, (uint32_t fd, uint64_t access, uint64_t change, uint32_t flags), E_NOTSUP)
ON_DESCRIPTOR(fd_pread, (uint32_t fd, uint32_t vectors, uint32_t count, uint64_t offset, uint32_t size), E_SPIPE)
ON_DESCRIPTOR(fd_pwrite, (uint32_t fd, uint32_t vectors, uint32_t count, uint64_t offset, uint32_t size), E_SPIPE)
ON_DESCRIPTOR(fd_readdir, (uint32_t fd, uint32_t buffer, uint32_t length, uint64_t cookie, uint32_t size), E_NOTSUP)
ON_DESCRIPTOR(fd_renumber, (uint32_t fd, uint32_t to), E_NOTSUP)
ON_DESCRIPTOR(fd_seek, (uint32_t fd, uint64_t offset, uint32_t whence, uint32_t result), E_SPIPE)
ON_DESCRIPTOR(fd_sync, (uint32_t fd), E_SUCCESS)
ON_DESCRIPTOR(fd_tell, (uint32_t fd, uint32_t result), E_SPIPE)

REFUSED(path_create_directory, (uint32_t fd, uint32_t path, uint32_t length), E_NOENT)
REFUSED(path_filestat_get, (uint32_t fd, uint32_t flags, uint32_t path, uint32_t length, uint32_t stat), E_NOENT)
REFUSED(path_filestat_set_times,
        (uint32_t fd, uint32_t flags, uint32_t path, uint32_t length, uint64_t access, uint64_t change, uint32_t times), E_NOENT)
REFUSED(path_link, (uint32_t fd, uint32_t flags, uint32_t from, uint32_t from_length, uint32_t to_fd, uint32_t to, uint32_t to_length),
        E_NOENT)
REFUSED(path_open,
        (uint32_t fd, uint32_t look_up, uint32_t path, uint32_t length, uint32_t flags, uint64_t base, uint64_t inheriting,
         uint32_t fd_flags, uint32_t result),
        E_NOENT)
REFUSED(path_readlink, (uint32_t fd, uint32_t path, uint32_t length, uint32_t buffer, uint32_t capacity, uint32_t size), E_NOENT)
REFUSED(path_remove_directory, (uint32_t fd, uint32_t path, uint32_t length), E_NOENT)
REFUSED(path_rename, (uint32_t fd, uint32_t from, uint32_t from_length, uint32_t to_fd, uint32_t to, uint32_t to_length), E_NOENT)
REFUSED(path_symlink, (uint32_t from, uint32_t from_length, uint32_t fd, uint32_t to, uint32_t to_length), E_NOENT)
REFUSED(path_unlink_file, (uint32_t fd, uint32_t path, uint32_t length), E_NOENT)

REFUSED(sock_accept, (uint32_t fd, uint32_t flags, uint32_t result), E_NOTSUP)
REFUSED(sock_recv, (uint32_t fd, uint32_t vectors, uint32_t count, uint32_t flags, uint32_t size, uint32_t result), E_NOTSUP)
REFUSED(sock_send, (uint32_t fd, uint32_t vectors, uint32_t count, uint32_t flags, uint32_t size), E_NOTSUP)
REFUSED(sock_shutdown, (uint32_t fd, uint32_t how), E_NOTSUP)
