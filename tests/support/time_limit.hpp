/// For calls that would wait for ever if they were wrong.
#pragma once

#include <unistd.h>

namespace convmixer::testing_support {

/// SIGALRM ends the test program unless the scope ends within that many seconds.
class TimeLimit {
 public:
  explicit TimeLimit(unsigned seconds) { ::alarm(seconds); }
  ~TimeLimit() { ::alarm(0); }
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;
};

}  // namespace convmixer::testing_support
