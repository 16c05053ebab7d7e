#include "optim/muon_optimizer.hpp"

#include "convmixer/core/aligned_buffer.hpp"
#include "convmixer/core/trace.hpp"
#include "kernels/newton_schulz.hpp"
#include "kernels/optimizer_update.hpp"
#include "optim/matrix_shape.hpp"
#include "optim/moments.hpp"
#include "optim/update_factors.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

namespace convmixer {

namespace {

double shape_scale(MuonScaling scaling, const MatrixShape& shape) {
  const auto rows = static_cast<double>(shape.rows);
  const auto columns = static_cast<double>(shape.columns);
  switch (scaling) {
    case MuonScaling::original:
      return std::sqrt(std::max(1.0, rows / columns));
    case MuonScaling::match_rms_adamw:
      return 0.2 * std::sqrt(std::max(rows, columns));
    case MuonScaling::renewed_norms:
      break;
  }
  return 1.0;
}

constexpr std::size_t in_pages(std::size_t floats) {
  constexpr std::size_t kPage = AlignedBuffer::kAlignment / sizeof(float);
  return (floats + kPage - 1) / kPage * kPage;
}

/// What matrices are updated in: a slot for each of those that are updated at a time, scratch memory for each worker.
template <class Storage>
struct Workspace {
  std::size_t direction_floats = 0;  // a slot's first part; its second is Newton-Schulz's
  std::size_t slot_floats = 0;
  std::size_t slots = 0;
  std::size_t scratch_floats = 0;  // a worker's
  std::size_t workers = 0;

  Workspace(const Graph& graph, const std::vector<ParameterId>& matrices, int threads)
      : workers(matrices.empty() ? 0 : static_cast<std::size_t>(threads)) {
    std::size_t memory = 0;
    for (const ParameterId id : matrices) {
      const MatrixShape shape = matrix_shape(graph.parameters()[static_cast<std::size_t>(id)].shape);
      using NewtonSchulz = kernels::NewtonSchulz<Storage>;
      direction_floats = std::max(direction_floats, in_pages(shape.rows * shape.columns));
      memory = std::max(memory, in_pages(NewtonSchulz::memory_floats(shape.rows, shape.columns)));
      scratch_floats = std::max(scratch_floats, in_pages(NewtonSchulz::scratch_floats(shape.rows, shape.columns)));
    }
    slot_floats = direction_floats + memory;
    slots = std::min(workers, matrices.size());
  }

  [[nodiscard]] std::size_t slot_bytes() const { return slots * slot_floats * sizeof(float); }
  [[nodiscard]] std::size_t scratch_bytes() const { return workers * scratch_floats * sizeof(float); }
  [[nodiscard]] std::size_t bytes() const { return slot_bytes() + scratch_bytes(); }
};

/// As many matrices as there are workers are updated at a time, each by one worker in memory of its own, which for
/// ConvMixer-256 fits into its second-level cache. Those that are left over, fewer than workers, all workers share:
/// panel by panel, meeting after each phase.
template <class Storage>
class MuonOptimizer final : public Optimizer {
 public:
  MuonOptimizer(Parameters& parameters, ParameterGroup group, ThreadPool& pool);

  [[nodiscard]] std::vector<OptimizerState> state() override;
  double update(const OptimizerStep& step) override;
  void check(const OptimizerStep& step) const override { (void)learning_rate_of(group_, step); }

 private:
  using NewtonSchulz = kernels::NewtonSchulz<Storage>;

  struct Matrix {
    ParameterId id;
    MatrixShape shape;
  };
  /// A panel of one of the matrices that workers share.
  struct Piece {
    std::size_t matrix;
    std::size_t panel;
  };
  /// What the rule and a step come to.
  struct Factors {
    float gradient_scale;
    double rate;
  };

  [[nodiscard]] float* direction(std::size_t slot) {
    return memory_.as<float>().data() + slot * workspace_.slot_floats;
  }
  [[nodiscard]] float* scratch(int worker) {
    return scratch_.as<float>().data() + static_cast<std::size_t>(worker) * workspace_.scratch_floats;
  }
  [[nodiscard]] NewtonSchulz newton_schulz(const Matrix& matrix, std::size_t slot) {
    return {matrix.shape.rows, matrix.shape.columns, direction(slot) + workspace_.direction_floats};
  }
  /// Moves the momentum; leaves its direction in the slot's memory. Returns what that is to be multiplied with.
  float begin(std::size_t matrix, const Factors& factors, std::size_t slot);
  void apply(std::size_t matrix, const Factors& factors, std::size_t slot);
  void update_each(const Factors& factors);
  void update_together(const Factors& factors);
  template <typename Body>
  void for_each_piece(const Body& body);

  ParameterGroup group_;
  MuonRule rule_;
  ThreadPool& pool_;
  std::vector<Matrix> matrices_;
  std::size_t each_;           // of these are updated by one worker each, the others together
  std::vector<Piece> pieces_;  // of the others
  Moments momentum_buffer_;
  std::vector<double> sums_;  // by matrix: of the gradients' squares
  std::vector<NewtonSchulz> together_;
  Workspace<Storage> workspace_;
  AlignedBuffer memory_;   // slots
  AlignedBuffer scratch_;  // by worker
};

template <class Storage>
MuonOptimizer<Storage>::MuonOptimizer(Parameters& parameters, ParameterGroup group, ThreadPool& pool)
    : Optimizer(parameters, group.parameters),
      group_(std::move(group)),
      rule_(std::get<MuonRule>(group_.rule)),
      pool_(pool),
      momentum_buffer_(parameters.graph(), group_.parameters),
      sums_(group_.parameters.size()),
      workspace_(parameters.graph(), group_.parameters, pool.threads()) {
  for (const ParameterId id : parameter_ids()) {
    matrices_.push_back({id, matrix_shape(parameters.graph().parameters()[static_cast<std::size_t>(id)].shape)});
  }
  if (matrices_.empty()) {
    each_ = 0;
    return;
  }
  const auto threads = static_cast<std::size_t>(pool_.threads());
  each_ = matrices_.size() / threads * threads;
  memory_ = AlignedBuffer(workspace_.slot_bytes());
  scratch_ = AlignedBuffer(workspace_.scratch_bytes());
  for (std::size_t i = each_; i < matrices_.size(); ++i) {
    together_.push_back(newton_schulz(matrices_[i], i - each_));
    for (std::size_t panel = together_.back().panels(); panel-- > 0;) pieces_.push_back({i - each_, panel});
  }
}

template <class Storage>
std::vector<OptimizerState> MuonOptimizer<Storage>::state() {
  std::vector<OptimizerState> tensors;
  momentum_buffer_.list("momentum_buffer", parameters().graph(), tensors);
  return tensors;
}

template <class Storage>
double MuonOptimizer<Storage>::update(const OptimizerStep& step) {
  const Factors factors{step.gradient_scale, learning_rate_of(group_, step)};
  if (each_ > 0) update_each(factors);
  if (!together_.empty()) update_together(factors);
  return std::accumulate(sums_.begin(), sums_.end(), 0.0);
}

template <class Storage>
float MuonOptimizer<Storage>::begin(std::size_t matrix, const Factors& factors, std::size_t slot) {
  const ParameterId id = matrices_[matrix].id;
  const std::span<const float> gradients = parameters().gradient(id);
  const kernels::MuonSquares squares = kernels::muon_direction({.gradients = gradients.data(),
                                                                .momentum_buffer = momentum_buffer_.of(id).data(),
                                                                .direction = direction(slot),
                                                                .count = gradients.size(),
                                                                .gradient_scale = factors.gradient_scale,
                                                                .one_minus_momentum = 1.0F - rule_.momentum,
                                                                .nesterov = rule_.nesterov});
  sums_[matrix] = squares.gradients;
  return static_cast<float>(1.0 / (std::sqrt(squares.direction) + NewtonSchulz::kEpsilon));
}

template <class Storage>
void MuonOptimizer<Storage>::apply(std::size_t matrix, const Factors& factors, std::size_t slot) {
  const std::span<float> values = parameters().value(matrices_[matrix].id);
  double keep = 1.0 - factors.rate * static_cast<double>(group_.weight_decay);
  if (rule_.scaling == MuonScaling::renewed_norms) {
    const double norm = std::sqrt(kernels::sum_of_squares(values.data(), values.size()));
    keep = norm == 0.0 ? 1.0 : std::sqrt(static_cast<double>(matrices_[matrix].shape.rows)) / norm;
  }
  const double rate = factors.rate * shape_scale(rule_.scaling, matrices_[matrix].shape);
  kernels::muon_update(values.data(), direction(slot), values.size(), static_cast<float>(keep),
                       static_cast<float>(rate));
}

template <class Storage>
void MuonOptimizer<Storage>::update_each(const Factors& factors) {
  static const TraceName kMatrix("optimiser matrix", "optimiser");
  pool_.for_each_task(static_cast<std::int64_t>(each_), [&](std::int64_t task, int worker) {
    const TraceScope scope(kMatrix, task);
    const auto matrix = static_cast<std::size_t>(task);
    const auto slot = static_cast<std::size_t>(worker);
    const float scale = begin(matrix, factors, slot);
    newton_schulz(matrices_[matrix], slot).run(direction(slot), scale, rule_.steps, scratch(worker), direction(slot));
    apply(matrix, factors, slot);
  });
}

template <class Storage>
template <typename Body>
void MuonOptimizer<Storage>::for_each_piece(const Body& body) {
  static const TraceName kPiece("optimiser panel", "optimiser");
  pool_.for_each_task(static_cast<std::int64_t>(pieces_.size()), [&](std::int64_t task, int worker) {
    const TraceScope scope(kPiece, task);
    const Piece& piece = pieces_[static_cast<std::size_t>(task)];
    body(piece, worker);
  });
}

template <class Storage>
void MuonOptimizer<Storage>::update_together(const Factors& factors) {
  static const TraceName kMatrix("optimiser matrix", "optimiser");
  const auto for_each_matrix = [&](const auto& body) {
    pool_.for_each_task(static_cast<std::int64_t>(together_.size()), [&](std::int64_t task, int worker) {
      const TraceScope scope(kMatrix, static_cast<std::int64_t>(each_) + task);
      body(static_cast<std::size_t>(task), worker);
    });
  };
  for_each_matrix([&](std::size_t slot, int worker) {
    const float scale = begin(each_ + slot, factors, slot);
    together_[slot].begin(direction(slot), scale, scratch(worker));
  });
  for (int step = 1; step <= rule_.steps; ++step) {
    for_each_piece([&](const Piece& piece, int /*worker*/) { together_[piece.matrix].gram(piece.panel); });
    for_each_piece([&](const Piece& piece, int /*worker*/) { together_[piece.matrix].polynomial(piece.panel); });
    for_each_piece([&](const Piece& piece, int worker) {
      NewtonSchulz& matrix = together_[piece.matrix];
      if (step < rule_.steps) {
        matrix.multiply(piece.panel, scratch(worker));
      } else {
        matrix.finish(piece.panel, scratch(worker), direction(piece.matrix));
      }
    });
    for (NewtonSchulz& matrix : together_) matrix.end_step();
  }
  for_each_matrix([&](std::size_t slot, int /*worker*/) { apply(each_ + slot, factors, slot); });
}

}  // namespace

std::size_t muon_working_bytes(const Graph& graph, const std::vector<ParameterId>& matrices, Precision precision,
                               int threads) {
  return precision == Precision::bf16 ? Workspace<kernels::Bf16Storage>(graph, matrices, threads).bytes()
                                      : Workspace<kernels::F32Storage>(graph, matrices, threads).bytes();
}

std::unique_ptr<Optimizer> make_muon_optimizer(Parameters& parameters, const ParameterGroup& group, ThreadPool& pool) {
  if (std::get<MuonRule>(group.rule).precision == Precision::bf16) {
    return std::make_unique<MuonOptimizer<kernels::Bf16Storage>>(parameters, group, pool);
  }
  return std::make_unique<MuonOptimizer<kernels::F32Storage>>(parameters, group, pool);
}

}  // namespace convmixer
