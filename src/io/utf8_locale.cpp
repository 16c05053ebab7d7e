#include "io/utf8_locale.hpp"

namespace convmixer {

Utf8Locale::Utf8Locale()
    : utf8_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)), before_(::uselocale(utf8_)) {}  // null: as it is

Utf8Locale::~Utf8Locale() {
  ::uselocale(before_);
  if (utf8_ != nullptr) ::freelocale(utf8_);
}

}  // namespace convmixer
