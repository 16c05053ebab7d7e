#include "kernels/onednn/onednn_types.hpp"

#include <array>
#include <utility>

namespace convmixer::kernels {

namespace {

using dnnl::memory;

memory::data_type data_type(ElementType type) {
  return type == ElementType::f32 ? memory::data_type::f32 : memory::data_type::bf16;
}

memory::dims dims_of(const Shape& shape) {
  memory::dims dims;
  for (int axis = 0; axis < shape.rank(); ++axis) dims.push_back(shape[axis]);
  return dims;
}

memory::format_tag tag_of(Format format, int rank) {
  constexpr std::array<memory::format_tag, 6> kRowMajor = {memory::format_tag::undef, memory::format_tag::a,
                                                           memory::format_tag::ab,    memory::format_tag::abc,
                                                           memory::format_tag::abcd,  memory::format_tag::abcde};
  switch (format) {
    case Format::plain:
      return kRowMajor.at(static_cast<std::size_t>(rank));
    case Format::channels_last:
      return memory::format_tag::nhwc;
    case Format::blocked16:
      return memory::format_tag::nChw16c;
    case Format::blocked8:
      return memory::format_tag::nChw8c;
    case Format::any:
    case Format::other:
      break;
  }
  return memory::format_tag::any;
}

#if DNNL_VERSION_MAJOR >= 3
memory::dims dims_of(const memory::desc& md) { return md.get_dims(); }
memory::data_type data_type_of(const memory::desc& md) { return md.get_data_type(); }
#else
memory::dims dims_of(const memory::desc& md) { return md.dims(); }
memory::data_type data_type_of(const memory::desc& md) { return md.data_type(); }
#endif

}  // namespace

const char* to_string(Format format) noexcept {
  switch (format) {
    case Format::plain:
      return "plain";
    case Format::channels_last:
      return "nhwc";
    case Format::blocked16:
      return "nChw16c";
    case Format::blocked8:
      return "nChw8c";
    case Format::any:
      return "any";
    case Format::other:
      break;
  }
  return "other";
}

Layout::Layout(const Shape& shape, ElementType type, Format format)
    : shape_(shape),
      type_(type),
      format_(format),
      descriptor_(std::make_shared<Descriptor>(
          Descriptor{memory::desc(dims_of(shape), data_type(type), tag_of(format, shape.rank()))})) {}

Layout::Layout(std::shared_ptr<const Descriptor> descriptor) : descriptor_(std::move(descriptor)) {
  const memory::desc& md = descriptor_->md;
  for (const memory::dim extent : dims_of(md)) shape_.push_back(extent);
  type_ = data_type_of(md) == memory::data_type::bf16 ? ElementType::bf16 : ElementType::f32;
  format_ = Format::other;
  for (const Format format : {Format::plain, Format::channels_last, Format::blocked16, Format::blocked8}) {
    if (format != Format::plain && shape_.rank() != 4) break;
    if (md == memory::desc(dims_of(md), data_type_of(md), tag_of(format, shape_.rank()))) {
      format_ = format;
      break;
    }
  }
}

std::size_t Layout::bytes() const { return descriptor_->md.get_size(); }

bool operator==(const Layout& a, const Layout& b) { return a.descriptor_->md == b.descriptor_->md; }

Layout layout_of(const dnnl::memory::desc& md) {
  return Layout(std::make_shared<Layout::Descriptor>(Layout::Descriptor{md}));
}

Layout strided_layout(std::int64_t rows, std::int64_t columns, ElementType type, std::int64_t row_stride,
                      std::int64_t column_stride) {
  return layout_of(memory::desc({rows, columns}, data_type(type), memory::dims{row_stride, column_stride}));
}

dnnl::memory::desc any_descriptor(const Shape& shape, ElementType type) {
  return {dims_of(shape), data_type(type), memory::format_tag::any};
}

}  // namespace convmixer::kernels
