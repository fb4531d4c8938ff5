// What the Glibc module lacks, because its header hides it behind _GNU_SOURCE or a macro that Swift cannot import.
#pragma once

#include <stddef.h>

/// Takes an exclusive lock on a whole open file without waiting (F_OFD_SETLK).
///
/// The lock belongs to the open file description: it ends with the last descriptor or with the process,
/// however that dies, and it also keeps out a second open of the same file in the same process.
///
/// Returns 0, or the error number: EAGAIN or EACCES when somebody else holds the lock.
int clinux_lock(int descriptor);

/// Renames without replacing: refuses where the new name is taken (renameat2 with RENAME_NOREPLACE).
///
/// Falls back to a hard link and an unlink where the file system has no such rename.
///
/// Returns 0, or the error number: EEXIST when the name is taken.
int clinux_rename_new(const char *from, const char *to);

/// Opens a file without a name in a folder (O_TMPFILE): it is gone with its descriptor, however the process ends.
///
/// Returns the descriptor, or the error number with its sign turned: EOPNOTSUPP, EISDIR or ENOENT where the file
/// system or the kernel has no such files.
int clinux_open_unnamed(const char *folder, unsigned mode);

/// Gives a file that was opened without a name its name; nothing is replaced.
///
/// Returns 0, or the error number: EEXIST when the name is taken.
int clinux_name(int descriptor, const char *path);

/// Opens an open file once more, to write past the page cache (O_DIRECT): address, offset and length have to be multiples
/// of the device's block.
///
/// Returns the descriptor, or the error number with its sign turned: EINVAL where the file system has no such writes.
int clinux_reopen_direct(int descriptor);

/// Starts writing a range of a file to its disk without waiting for it (sync_file_range), so that a sync to come finds
/// little left to do. It promises nothing: an error is told by that sync.
void clinux_start_writeback(int descriptor, long long offset, long long byte_count);

/// Where the first byte of an open file is that the file system stores nothing for (SEEK_HOLE); the file's length where it
/// has no hole, or the file system knows of none.
///
/// Returns the offset, or the error number with its sign turned: ENXIO for an empty file.
long long clinux_first_hole(int descriptor);

/// Makes everything durable that the file system of an open file was given (syncfs).
///
/// Returns 0, or the error number, which is also that of a write that failed since the file was opened.
int clinux_sync_file_system(int descriptor);

/// Lets the process have as many open files as the system allows it at all (RLIMIT_NOFILE): the usual 1,024 are a limit for
/// programs that use select(2).
void clinux_raise_descriptor_limit(void);

/// Lets the allocator keep freed blocks of up to `byte_count` bytes instead of returning them to the kernel.
///
/// Buffers of a megabyte are otherwise mapped and unmapped each time, and clearing their pages costs more
/// than the copy into them. Called once, at the start of a process that moves bulk bytes.
void clinux_keep_freed_memory(size_t byte_count);

/// Gives all threads together so many stores of freed blocks, instead of up to eight for each core.
///
/// Each keeps what its threads once needed at the most, and a thread that wants much at once may come to each of them.
/// Called once, at the start of a process.
void clinux_limit_memory_stores(int count);

/// Gives freed memory back to the system, which the allocator would keep where something in use lies above it.
void clinux_return_freed_memory(void);
