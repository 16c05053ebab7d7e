/* What convmixer's MPI plug-in offers: MPI as a few C functions, so that the program starts where no MPI is installed and
 * knows none of its types. The plug-in is a file of its own beside the library, loaded when a launcher such as mpirun has
 * started the process (dist/launched_ranks.hpp). All calls come from one thread, but for exchanges under the second tag,
 * which another one makes meanwhile. Those that can fail return NULL or what went wrong, a text that lasts until the
 * thread's next call. */
#ifndef CONVMIXER_DIST_MPI_PLUGIN_H
#define CONVMIXER_DIST_MPI_PLUGIN_H

#include <stddef.h>

#define CONVMIXER_MPI_PLUGIN_VERSION 2

struct ConvmixerMpi {
  int version; /* CONVMIXER_MPI_PLUGIN_VERSION */

  /* Joins the other processes: returns once all have. */
  const char* (*start)(void);
  int (*rank)(void);
  int (*size)(void);
  /* Among the ranks on this machine. */
  int (*local_rank)(void);
  int (*local_size)(void);
  /* "Open MPI v4.1.4". */
  const char* (*library)(void);

  /* How many tags messages can have: 2, or 1 where MPI can't be called from two threads in turn. */
  int (*tags)(void);
  /* Sends to another rank and receives from it, both at once; either may be of 0 bytes. Meets the same call there, under
   * the same tag (0 or 1), with the lengths the other way round. Under tag 1 it leaves the CPU to others while it waits,
   * but for the time in which somebody waits for it (`hurry`). */
  const char* (*exchange)(int tag, int other, const void* sent, size_t sent_bytes, void* received,
                          size_t received_bytes);
  void (*hurry)(int whether);

  /* Tells rank 0 that this one is ready; and, on rank 0, whether another one has. */
  const char* (*announce)(void);
  int (*has_announced)(int other);

  /* Once, when all ranks are through. */
  void (*finish)(void);
  /* Ends all ranks, this one with the status. Doesn't return. */
  void (*abort)(int status);
};

/* The only symbol of the plug-in, of this type. */
typedef const struct ConvmixerMpi* (*ConvmixerMpiEntry)(void);
#define CONVMIXER_MPI_ENTRY "convmixer_mpi"

#endif
