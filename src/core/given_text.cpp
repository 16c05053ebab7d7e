#include "convmixer/core/given_text.hpp"

#include "convmixer/core/error.hpp"
#include "core/descriptor.hpp"

#include <cerrno>
#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>

namespace convmixer {

std::string read_given_text(const std::filesystem::path& path) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  const Descriptor file(path, O_RDONLY);
  struct stat status {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0)
    fail("{}: can't be opened: {}", path.string(), system_reason(errno));
  if (S_ISDIR(status.st_mode)) fail("{}: expected a file, found a folder", path.string());
  std::string text = read_to_end(file, path);
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff") || text.find('\0') != std::string::npos)
    fail_usage("{}: UTF-16 or no text at all, expected UTF-8: save it as that", path.string());
  if (text.starts_with(kMark)) text.erase(0, kMark.size());
  return text;
}

}  // namespace convmixer
