/// The Newton-Schulz iteration that makes a matrix orthogonal, about: what Muon's updates are.
/// Sizes (panel, channel block, word): see "Words" in HACKING.md.
#pragma once

#include "kernels/fused/stage_storage.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace convmixer::kernels {

/// Makes U V' of a matrix G = U S V', about: its singular values come near 1, its singular vectors stay.
///
///     X <- G / (|G|_F + epsilon), so that no singular value is above 1; then `steps` times
///     A  = X' X
///     X <- X (a I + b A + c A^2), which takes a singular value s to a s + b s^3 + c s^5
///
/// a, b, c = 3.4445, -4.7750, 2.0315 (Keller Jordan, https://kellerjordan.github.io/posts/muon/, and
/// github.com/KellerJordan/Muon, zeropower_via_newtonschulz5; the same in torch.optim.Muon). They don't converge to 1,
/// as 15/8, -10/8, 3/8 would: they were searched for the steepest rise at 0, a, that still leaves near 1 what it has
/// raised. Five steps take every singular value from a 600th of |G|_F on to between 0.68 and 1.21, for which the
/// convergent coefficients need ten; training was found not to mind that they are no nearer to 1.
///
/// Those programs have the matrix lie the other way, A = X X' and (a I + b A + c A^2) X: the same polynomial. Here a
/// matrix that is wider than tall is transposed, because sums along rows of pixels are what our products do
/// (multiply_columns()); A is symmetric, so that half of its tiles are copies of the others.
///
/// Work is cut into pieces by panels of A: what one call with a panel's number writes no other does, and those of a
/// phase may run at the same time. Which thread runs them changes no bit.
template <class Storage>
class NewtonSchulz {
 public:
  static constexpr std::array<float, 3> kCoefficients{3.4445F, -4.7750F, 2.0315F};
  static constexpr double kEpsilon = 1e-7;

  /// Memory for a matrix, and what each thread that calls begin() or multiply() needs beside it, in floats.
  [[nodiscard]] static std::size_t memory_floats(std::size_t rows, std::size_t columns);
  [[nodiscard]] static std::size_t scratch_floats(std::size_t rows, std::size_t columns);

  /// Of a rows x columns matrix, in `memory` of memory_floats(rows, columns).
  NewtonSchulz(std::size_t rows, std::size_t columns, float* memory);

  [[nodiscard]] std::size_t panels() const noexcept { return width_ / kChannelBlock; }

  /// X = matrix (row-major) * scale.
  void begin(const float* matrix, float scale, float* scratch);
  /// The phases of a step, each for all panels before the next begins.
  void gram(std::size_t panel);
  void polynomial(std::size_t panel);
  void multiply(std::size_t panel, float* scratch);
  /// In place of multiply() in the last step: X goes to `result`, row-major and unrounded.
  void finish(std::size_t panel, float* scratch, float* result);
  /// After multiply().
  void end_step() noexcept { current_ = 1 - current_; }

  /// All of it on the calling thread. `result` may be `matrix`.
  void run(const float* matrix, float scale, int steps, float* scratch, float* result);

 private:
  using Operand = typename Storage::Operand;

  void product(std::size_t panel, float* dst) const;
  void keep_rows(std::size_t panel, const float* rows, std::size_t buffer);

  bool transposed_;
  std::size_t columns_;           // of the given matrix
  std::size_t height_;            // of X, which is no wider than tall
  std::size_t inner_;             // its columns,
  std::size_t width_;             // and in whole channel blocks
  std::array<Operand*, 2> rows_;  // of X, in turns: (channel block, row, 32)
  float* words_;                  // of X: (channel block, word of rows, 32)
  float* gram_;                   // A's tiles on and above the diagonal: (panel, row, 32)
  float* gram_words_;             // all of A: (panel, word of rows, 32)
  float* polynomial_words_;       // of a I + b A + c A^2, likewise
  std::size_t current_ = 0;       // of rows_
};

extern template class NewtonSchulz<F32Storage>;
extern template class NewtonSchulz<Bf16Storage>;

}  // namespace convmixer::kernels
