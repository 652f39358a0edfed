// What the bindings and the CPU kernels share: torch's stable ABI, checks, dispatch by dtype, parallel loops.
//
// A binding file is compiled with GAN_KEY (the dispatch key it serves: CPU or CUDA) and perhaps with
// GAN_DEFINES_SCHEMA (once per process) and GAN_CUDA (launch the kernels of the .cu file instead of CPU loops).
#pragma once

#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

#if defined(GAN_CUDA) && !defined(GAN_EMULATED)
#include <dlfcn.h>
#endif

#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "dtype.h"

// What follows each macro registers twice: in `gan` the operators that get derivatives in Python and can be
// traced, in `gan_kernels` the bare kernels, which eager calls reach without a detour (ops/library.py).
#define GAN_IMPL_WITH_KEY(ns, key, m) STABLE_TORCH_LIBRARY_IMPL(ns, key, m)
#define GAN_KERNELS(m)                                                        \
  static void register_kernels(torch::stable::detail::StableLibrary& m);      \
  GAN_IMPL_WITH_KEY(gan, GAN_KEY, operators) { register_kernels(operators); } \
  GAN_IMPL_WITH_KEY(gan_kernels, GAN_KEY, bare) { register_kernels(bare); }   \
  static void register_kernels(torch::stable::detail::StableLibrary& m)
#if defined(GAN_DEFINES_SCHEMA)
#define GAN_SCHEMAS(m)                                                              \
  static void define_schemas(torch::stable::detail::StableLibrary& m);              \
  STABLE_TORCH_LIBRARY_FRAGMENT(gan, operators) { define_schemas(operators); }      \
  STABLE_TORCH_LIBRARY_FRAGMENT(gan_kernels, bare) { define_schemas(bare); }        \
  static void define_schemas(torch::stable::detail::StableLibrary& m)
#else  // an unused function that compiles the same definitions
#define GAN_SCHEMAS(m) [[maybe_unused]] static void define_schemas(torch::stable::detail::StableLibrary& m)
#endif

namespace gan {

using torch::headeronly::BFloat16;
using torch::headeronly::Half;
using torch::headeronly::ScalarType;
using torch::stable::Tensor;
using Sizes = torch::headeronly::IntHeaderOnlyArrayRef;

// Arithmetic of a dtype: double for double, float for all others.
template <typename T>
using Compute = std::conditional_t<std::is_same_v<T, double>, double, float>;

inline Dtype dtype_of(const Tensor& x) {
  switch (x.scalar_type()) {
    case ScalarType::Float: return Dtype::Float32;
    case ScalarType::Double: return Dtype::Float64;
    case ScalarType::Half: return Dtype::Float16;
    case ScalarType::BFloat16: return Dtype::BFloat16;
    default: break;
  }
  STD_TORCH_CHECK(false, "expected float32, float64, float16 or bfloat16; convert the input");
}

// Calls f with a zero of the C++ type of `dtype`: dispatch(dtype, [&](auto zero) { using T = decltype(zero); ... }).
template <typename F>
void dispatch(Dtype dtype, F&& f) {
  switch (dtype) {
    case Dtype::Float32: return f(float());
    case Dtype::Float64: return f(double());
    case Dtype::Float16: return f(Half());
    case Dtype::BFloat16: return f(BFloat16());
  }
}

// Memory layouts of [N, C, ...] that kernels take as they are.
enum class Layout { Contiguous, ChannelsLast, Other };

// 4-D only for ChannelsLast; a tensor that is both (C = 1, or one pixel) counts as Contiguous.
inline Layout layout_of(const Tensor& x) {
  if (x.is_contiguous()) return Layout::Contiguous;
  if (x.dim() != 4) return Layout::Other;
  const int64_t order[4] = {1, 3, 2, 0};  // strides grow in this order of axes
  int64_t expected = 1;
  for (int64_t axis : order) {
    if (x.size(axis) != 1 && x.stride(axis) != expected) return Layout::Other;
    expected *= x.size(axis);
  }
  return Layout::ChannelsLast;
}

inline Tensor dense(const Tensor& x) {
  return layout_of(x) == Layout::Other ? torch::stable::contiguous(x) : x;
}

// `y` in the layout of the dense tensor x.
inline Tensor dense_like(const Tensor& y, const Tensor& x) {
  const Layout wanted = layout_of(x);
  if (layout_of(y) == wanted) return y;
  if (wanted == Layout::ChannelsLast) {
    return torch::stable::contiguous(y, torch::headeronly::MemoryFormat::ChannelsLast);
  }
  return torch::stable::contiguous(y);
}

// A small tensor, of which kernels read one value after the other.
inline void make_contiguous(Tensor& x) {
  if (!x.is_contiguous()) x = torch::stable::contiguous(x);
}
inline void make_contiguous(std::optional<Tensor>& x) {
  if (x.has_value()) make_contiguous(*x);
}

// Uninitialised [n, c, h, w] of x's dtype and device, channels_last where `like` says so.
inline Tensor empty4(const Tensor& x, int64_t n, int64_t c, int64_t h, int64_t w, Layout like) {
  const std::vector<int64_t> size = {n, c, h, w};
  const auto format = like == Layout::ChannelsLast ? torch::headeronly::MemoryFormat::ChannelsLast
                                                   : torch::headeronly::MemoryFormat::Contiguous;
  return torch::stable::empty(size, x.scalar_type(), std::nullopt, x.device(), std::nullopt, format);
}

inline void check_same_device(const Tensor& x, const Tensor& other, const char* name) {
  STD_TORCH_CHECK(x.device() == other.device(), name, " must be on the device of x");
}

// f(begin, end) over [0, count), on several threads from about `work` elements in all on.
template <typename F>
void parallel(int64_t count, int64_t elements_each, const F& f) {
  if (count == 0) return;
  constexpr int64_t kWorth = 16384;  // elements that repay waking a thread
  const int64_t grain = kWorth / (elements_each > 0 ? elements_each : 1);
  torch::stable::parallel_for(0, count, grain > 0 ? grain : 1, f);
}

#if defined(GAN_CUDA)
#if !defined(GAN_EMULATED)
// The current stream of a GPU, as cudaStream_t. The shim's function lies in libtorch_cuda, which a tensor on
// a GPU implies; found at run time, it keeps this library loadable where PyTorch has no CUDA. The stable ABI's
// own way, Stream::nativeHandle, asks for PyTorch 2.13.
inline void* current_stream(int32_t device) {
  using Function = AOTITorchError (*)(int32_t, void**);
  static const auto function = [] {
    void* library = dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_NOLOAD);
    return library ? reinterpret_cast<Function>(dlsym(library, "aoti_torch_get_current_cuda_stream")) : nullptr;
  }();
  STD_TORCH_CHECK(function, "this PyTorch does not give its current CUDA stream; set GAN_OPS=reference");
  void* stream = nullptr;
  STD_TORCH_CHECK(function(device, &stream) == 0, "the current CUDA stream cannot be had");
  return stream;
}
#endif

// Calls launch(stream) on the current stream of x's device; its error, if any, as an exception.
template <typename Launch>
void on_stream(const Tensor& x, const char* name, Launch&& launch) {
#if defined(GAN_EMULATED)
  const int error = launch(static_cast<void*>(nullptr));
#else
  torch::stable::accelerator::DeviceGuard guard(x.get_device_index());
  const int error = launch(current_stream(x.get_device_index()));
#endif
  STD_TORCH_CHECK(error == 0, name, ": the CUDA launch failed with error ", error);
}
#endif

}  // namespace gan
