/// What a program does about its standard streams, at its beginning and at its end.
#pragma once

#include <cstdio>
#include <string_view>

namespace convmixer {

/// For the first line of main. Opens /dev/null in the place of descriptors 0 to 2 that are closed: the next file to be
/// opened would get such a number, and what is printed would end up in it. Has SIGXFSZ ignored, so that writing a file
/// beyond `ulimit -f` fails with an Error where it would end the process without a word.
void guard_standard_streams();

/// Writes text and flushes if asked to. A failure is kept for require_output_written().
void write_text(std::FILE* file, std::string_view text, bool flush = false);

/// From now on what a reader doesn't take within half a second is dropped (`| less` that waits for a key, a terminal
/// under Ctrl-S): the process is to end. For signal handlers too.
void stop_waiting_for_readers() noexcept;

/// Whether a descriptor can be written to without waiting. For signal handlers too.
[[nodiscard]] bool is_writable(int descriptor, int milliseconds) noexcept;

/// For the end of main, all else being done: flushes standard output. Throws Error where some of what was printed is
/// lost ("No space left on device"), but not where it was the reader that has gone (`| head`, a closed terminal).
void require_output_written();

}  // namespace convmixer
