#include "data/subset.hpp"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace convmixer {

namespace {

class Subset : public Dataset {
 public:
  Subset(std::unique_ptr<Dataset> all, std::vector<std::int64_t> indices)
      : all_(std::move(all)), indices_(std::move(indices)) {}

  [[nodiscard]] std::int64_t size() const override { return std::ssize(indices_); }
  [[nodiscard]] int channels() const override { return all_->channels(); }
  [[nodiscard]] int image_size() const override { return all_->image_size(); }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return all_->class_names(); }
  [[nodiscard]] std::span<const std::uint8_t> image(std::int64_t index) const override {
    return all_->image(at(index));
  }
  [[nodiscard]] std::int32_t label(std::int64_t index) const override { return all_->label(at(index)); }
  [[nodiscard]] std::string file_name(std::int64_t index) const override { return all_->file_name(at(index)); }
  [[nodiscard]] Normalisation normalisation() const override { return all_->normalisation(); }
  [[nodiscard]] const std::vector<std::string>& left_out() const override { return all_->left_out(); }

 private:
  [[nodiscard]] std::int64_t at(std::int64_t index) const {
    check_index(index);
    return indices_[static_cast<std::size_t>(index)];
  }

  std::unique_ptr<Dataset> all_;
  std::vector<std::int64_t> indices_;
};

}  // namespace

std::unique_ptr<Dataset> first_images(std::unique_ptr<Dataset> all, std::int64_t limit) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(std::min(limit, all->size())));
  std::iota(indices.begin(), indices.end(), 0);
  return std::make_unique<Subset>(std::move(all), std::move(indices));
}

std::unique_ptr<Dataset> share_of_each_class(std::unique_ptr<Dataset> all, std::int64_t limit) {
  const auto label = [&](std::int64_t index) { return static_cast<std::size_t>(all->label(index)); };
  std::vector<std::int64_t> sizes(all->class_names().size());
  for (std::int64_t i = 0; i < all->size(); ++i) ++sizes[label(i)];
  // Image j of a class of n comes when (j + 1/2) / n of the images are wanted, the first one at once.
  struct Turn {
    double when;
    std::size_t label;
    std::int64_t index;
    auto operator<=>(const Turn&) const = default;
  };
  std::vector<std::int64_t> seen(sizes.size());
  std::vector<Turn> turns;
  for (std::int64_t i = 0; i < all->size(); ++i) {
    const std::int64_t earlier = seen[label(i)]++;
    const double when = (static_cast<double>(earlier) + 0.5) / static_cast<double>(sizes[label(i)]);
    turns.push_back({earlier == 0 ? 0.0 : when, label(i), i});
  }
  const auto end = turns.begin() + static_cast<std::ptrdiff_t>(std::min(limit, all->size()));
  std::ranges::partial_sort(turns, end);
  std::vector<std::int64_t> indices;
  for (auto turn = turns.begin(); turn != end; ++turn) indices.push_back(turn->index);
  std::ranges::sort(indices);
  return std::make_unique<Subset>(std::move(all), std::move(indices));
}

}  // namespace convmixer
