/// Sizes of caches for a oneDNN that is told of none.
///
/// Some virtual machines hide their caches: CPUID's leaf 0x8000001D is all zero on an AMD processor, which oneDNN 3
/// reads as caches of one byte. Its sum then divides by zero, and its reorders leave out part of a tensor whose
/// channels are padded (weights of 40 channels, say, with which convolutions then compute):
/// github.com/uxlfoundation/oneDNN/issues/5313. oneDNN asks one exported function for these sizes. The library has one
/// of the same name, which programs find first: it answers what oneDNN's own does, or where that is nonsense, what
/// oneDNN assumes for CPUs it knows nothing of.
#pragma once

namespace convmixer::kernels {

/// What oneDNN plans with, given what it found for level 1 and for `level`, in bytes.
[[nodiscard]] unsigned cache_bytes_per_core(int level, unsigned found_first_level, unsigned found) noexcept;

/// Whether oneDNN found no caches and plans with assumed ones.
[[nodiscard]] bool onednn_assumes_caches();

/// Throws Error if oneDNN found no caches and doesn't ask here.
void expect_cache_sizes();

}  // namespace convmixer::kernels
