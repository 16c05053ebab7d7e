/// The Error that a call throws, for tests of messages.
#pragma once

#include "convmixer/core/error.hpp"

#include <gtest/gtest.h>

namespace convmixer::testing_support {

/// Runs `body`, which must throw an Error; returns it.
template <typename Body>
[[nodiscard]] Error error_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no Error was thrown";
  return {ErrorKind::failure, ""};
}

}  // namespace convmixer::testing_support
