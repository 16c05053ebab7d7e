#include "data/subset.hpp"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace convmixer {

namespace {

class Subset : public Dataset {
 public:
  Subset(const Dataset& all, std::vector<std::int64_t> indices) : all_(&all), indices_(std::move(indices)) {}
  Subset(std::unique_ptr<Dataset> all, std::vector<std::int64_t> indices)
      : owned_(std::move(all)), all_(owned_.get()), indices_(std::move(indices)) {}

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

  std::unique_ptr<Dataset> owned_;  // or nothing: borrowed
  const Dataset* all_;
  std::vector<std::int64_t> indices_;
};

}  // namespace

std::unique_ptr<Dataset> images_at(const Dataset& all, std::vector<std::int64_t> indices) {
  return std::make_unique<Subset>(all, std::move(indices));
}

std::unique_ptr<Dataset> first_images(std::unique_ptr<Dataset> all, std::int64_t limit) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(std::min(limit, all->size())));
  std::iota(indices.begin(), indices.end(), 0);
  return std::make_unique<Subset>(std::move(all), std::move(indices));
}

std::unique_ptr<Dataset> share_of_each_class(std::unique_ptr<Dataset> all, std::int64_t limit) {
  const auto label = [&](std::int64_t index) { return static_cast<std::size_t>(all->label(index)); };
  std::vector<std::int64_t> sizes(all->class_names().size());
  for (std::int64_t i = 0; i < all->size(); ++i) ++sizes[label(i)];
  std::vector<std::int64_t> left = class_shares(sizes, limit, ClassLeft::nothing);
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < all->size(); ++i)
    if (left[label(i)]-- > 0) indices.push_back(i);
  return std::make_unique<Subset>(std::move(all), std::move(indices));
}

std::vector<std::int64_t> class_shares(std::span<const std::int64_t> class_sizes, std::int64_t limit, ClassLeft left) {
  // Image j of a class of n comes when (j + 1/2) / n of the images are wanted, the first one at once.
  struct Turn {
    double when;
    std::size_t label;
    auto operator<=>(const Turn&) const = default;
  };
  std::vector<Turn> turns;
  for (std::size_t label = 0; label < class_sizes.size(); ++label) {
    const std::int64_t size = class_sizes[label];
    const std::int64_t taken = left == ClassLeft::one_image ? size - 1 : size;
    for (std::int64_t j = 0; j < taken; ++j)
      turns.push_back({j == 0 ? 0.0 : (static_cast<double>(j) + 0.5) / static_cast<double>(size), label});
  }
  const auto end = turns.begin() + static_cast<std::ptrdiff_t>(std::min(limit, std::ssize(turns)));
  std::ranges::partial_sort(turns, end);
  std::vector<std::int64_t> shares(class_sizes.size());
  for (auto turn = turns.begin(); turn != end; ++turn) ++shares[turn->label];
  return shares;
}

}  // namespace convmixer
