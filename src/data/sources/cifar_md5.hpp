/// What tells whether a file is the one that was published.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace convmixer {

/// The MD5 of one of CIFAR's files by its name, unpacked, in hexadecimal; empty for any other name, and for CIFAR-100's
/// binary files, of which only the archive's is published. Those of the Python versions are torchvision's
/// (torchvision/datasets/cifar.py), those of CIFAR-10's binary files were taken from the archive whose own MD5
/// https://www.cs.toronto.edu/~kriz/cifar.html gives, c32a1d4ab5d03f1284b67883e8d87530.
[[nodiscard]] std::string_view published_md5(std::string_view file);

/// RFC 1321, in hexadecimal. Against mistakes, not against who means to deceive.
[[nodiscard]] std::string md5_of(std::span<const std::byte> bytes);

}  // namespace convmixer
