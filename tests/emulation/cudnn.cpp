// cuDNN's graph API in plain loops: descriptors that take the attributes they have and no others, checked when they are finalized,
// and the work queued on the emulated streams. It is there with EMU_CUDNN=1. It lists engines that must not be taken before those that may, and cannot do kernels of five.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "kernels/cuda/cudnn_library.h"
#include "kernels/error.h"
#include "tests/emulation/internal.h"

namespace fringe::cuda {
namespace {

using Name = cudnnBackendAttributeName_t;
using Type = cudnnBackendDescriptorType_t;
constexpr auto ok = CUDNN_STATUS_SUCCESS;
constexpr auto bad = CUDNN_STATUS_BAD_PARAM;
constexpr auto unsupported = CUDNN_STATUS_NOT_SUPPORTED;

// ---- descriptors: which attributes each must have ------------------------------------------------------------------------

struct Slot {
  Name name;
  cudnnBackendAttributeType_t type;
  std::int64_t count;
};
std::vector<Slot> operation_slots(Name alpha, Name beta, Name convolution, Name x, Name w, Name y) {
  std::vector<Slot> slots{{alpha, CUDNN_TYPE_FLOAT, 1}, {beta, CUDNN_TYPE_FLOAT, 1}};
  for (const Name part : {convolution, x, w, y}) slots.push_back({part, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1});
  return slots;
}
const std::map<Type, std::vector<Slot>>& known() {
  static const std::map<Type, std::vector<Slot>> slots{
      {CUDNN_BACKEND_TENSOR_DESCRIPTOR,
       {{CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1},
        {CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 5},
        {CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 5},
        {CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1},
        {CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1}}},
      {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR,
       {{CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1},
        {CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1},
        {CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1},
        {CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 3},
        {CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 3},
        {CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 3},
        {CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 3}}},
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
       operation_slots(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y)},
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
       operation_slots(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY)},
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
       operation_slots(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY)},
      {CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR,
       {{CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1},
        {CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1}}},
      {CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR,
       {{CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1},
        {CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1}}},
      {CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, {}},  // these two are filled in by queries
      {CUDNN_BACKEND_ENGINE_DESCRIPTOR, {}},
      {CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR,
       {{CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1},
        {CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1}}},
      {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR,
       {{CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3},
        {CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3},
        {CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1}}},
  };
  return slots;
}

// ---- engines -------------------------------------------------------------------------------------------------------------

enum class Flaw { none, not_here, too_much_memory };
struct Engine {
  std::vector<cudnnBackendNumericalNote_t> notes;
  Flaw flaw = Flaw::none;
};
constexpr std::int64_t work_bytes = 1000;
/// What heuristics propose, in this order: the fifth is for tf32, the last for float32.
const std::vector<Engine>& engines() {
  static const std::vector<Engine> all{{{}, Flaw::not_here},
                                       {{CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC}},
                                       {{CUDNN_NUMERICAL_NOTE_TENSOR_CORE, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS}},
                                       {{CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION}},
                                       {{CUDNN_NUMERICAL_NOTE_TENSOR_CORE}},
                                       {{}, Flaw::too_much_memory},
                                       {{CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP}}};
  return all;
}

struct Descriptor;
std::set<const Descriptor*>& living() {
  static std::set<const Descriptor*> all;
  return all;
}

struct Descriptor {
  explicit Descriptor(Type t) : type(t) {}
  Type type;
  bool finalized = false;
  std::map<Name, std::vector<char>> values;
  int engine = -1;                        ///< of a configuration, an engine, a plan
  std::vector<int> proposals;             ///< of heuristics
  const Descriptor* operation = nullptr;  ///< of what is made of one
  std::vector<const Descriptor*> parts;   ///< that must live as long

  template <class T>
  const T* get(Name name) const {
    return reinterpret_cast<const T*>(values.at(name).data());
  }
  const Descriptor& part(Name name) const { return **get<const Descriptor*>(name); }
  bool whole() const {
    return living().contains(this) && finalized && std::all_of(parts.begin(), parts.end(), [](auto* p) { return p->whole(); });
  }
};
cudaStream_t stream = nullptr;
int a_handle = 0;
cudnnHandle_t the_handle() { return reinterpret_cast<cudnnHandle_t>(&a_handle); }

Descriptor* of(cudnnBackendDescriptor_t d) {
  auto* descriptor = static_cast<Descriptor*>(d);
  return living().contains(descriptor) ? descriptor : nullptr;
}

std::size_t bytes_of(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_FLOAT:
    case CUDNN_TYPE_DATA_TYPE:
    case CUDNN_TYPE_CONVOLUTION_MODE:
    case CUDNN_TYPE_HEUR_MODE: return 4;
    default: return 8;
  }
}

cudnnStatus_t set_attribute(cudnnBackendDescriptor_t d, Name name, cudnnBackendAttributeType_t type, std::int64_t count,
                            const void* values) {
  Descriptor* const to = of(d);
  if (to == nullptr || to->finalized) return bad;
  for (const Slot& slot : known().at(to->type)) {
    if (slot.name != name) continue;
    if (slot.type != type || slot.count != count || values == nullptr) return bad;
    if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
      const Descriptor* part = of(*static_cast<const cudnnBackendDescriptor_t*>(values));
      if (part == nullptr || !part->whole()) return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
      to->parts.push_back(part);
    }
    if (type == CUDNN_TYPE_HANDLE && *static_cast<const cudnnHandle_t*>(values) != the_handle()) return bad;
    const auto* from = static_cast<const char*>(values);
    to->values[name].assign(from, from + bytes_of(type) * static_cast<std::size_t>(count));
    return ok;
  }
  return bad;
}

// ---- what a convolution is ------------------------------------------------------------------------------------------------

/// Extents and strides (N, C, D, H, W), or (K, C, T, R, S).
struct Array {
  std::array<std::int64_t, 5> extent{}, stride{};
  explicit Array(const Descriptor& d) {
    std::copy_n(d.get<std::int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS), 5, extent.begin());
    std::copy_n(d.get<std::int64_t>(CUDNN_ATTR_TENSOR_STRIDES), 5, stride.begin());
  }
  std::size_t size() const {
    std::int64_t n = 1;
    for (const auto e : extent) n *= e;
    return static_cast<std::size_t>(n);
  }
  std::size_t at(std::int64_t a, std::int64_t b, std::int64_t c, std::int64_t d, std::int64_t e) const {
    return static_cast<std::size_t>(a * stride[0] + b * stride[1] + c * stride[2] + d * stride[3] + e * stride[4]);
  }
  bool channels_last() const {
    const auto& e = extent;
    const std::array<std::int64_t, 5> wanted{e[1] * e[2] * e[3] * e[4], 1, e[1] * e[3] * e[4], e[1] * e[4], e[1]};
    return stride == wanted;
  }
};

struct Problem {
  Type type;
  Array x, w, y;
  std::array<std::int64_t, 3> padding{};
  std::array<std::int64_t, 3> ids;  ///< of x, w, y

  explicit Problem(const Descriptor& d)
      : type(d.type), x(slot(d, 3)), w(slot(d, 4)), y(slot(d, 5)), ids{id(slot(d, 3)), id(slot(d, 4)), id(slot(d, 5))} {
    std::copy_n(slot(d, 2).get<std::int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS), 3, padding.begin());
  }
  static const Descriptor& slot(const Descriptor& d, std::size_t k) { return d.part(known().at(d.type)[k].name); }
  static std::int64_t id(const Descriptor& tensor) { return *tensor.get<std::int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID); }
};

bool is_good_operation(const Descriptor& d) {
  const auto& slots = known().at(d.type);
  for (std::size_t k = 2; k < 6; ++k)
    if (Problem::slot(d, k).type != (k == 2 ? CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR : CUDNN_BACKEND_TENSOR_DESCRIPTOR)) return false;
  if (*d.get<float>(slots[0].name) != 1 || *d.get<float>(slots[1].name) != 0) return false;
  const Problem p(d);
  for (int k = 2; k < 5; ++k)
    if (p.x.extent[k] != p.y.extent[k] || p.w.extent[k] != 2 * p.padding[k - 2] + 1) return false;
  return p.x.extent[0] == p.y.extent[0] && p.x.extent[1] == p.w.extent[1] && p.y.extent[1] == p.w.extent[0] &&
         p.x.channels_last() && p.y.channels_last() && p.w.channels_last() && p.ids[0] != p.ids[1] && p.ids[1] != p.ids[2] && p.ids[0] != p.ids[2];
}

bool is_good_convolution(const Descriptor& d) {
  const auto three = [&](Name name) { return d.get<std::int64_t>(name); };
  constexpr std::int64_t ones[] = {1, 1, 1};
  return *three(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS) == 3 &&
         *d.get<cudnnDataType_t>(CUDNN_ATTR_CONVOLUTION_COMP_TYPE) == CUDNN_DATA_FLOAT &&
         *d.get<cudnnConvolutionMode_t>(CUDNN_ATTR_CONVOLUTION_CONV_MODE) == CUDNN_CROSS_CORRELATION &&
         std::equal(ones, ones + 3, three(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES)) &&
         std::equal(ones, ones + 3, three(CUDNN_ATTR_CONVOLUTION_DILATIONS)) &&
         std::equal(three(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS), three(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS) + 3,
                    three(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS));
}

/// Kernels along W are proposed by no heuristics, only fallen back to: by the last engine.
cudnnStatus_t propose(Descriptor& d) {
  const Descriptor& graph = d.part(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
  if (graph.type != CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR) return bad;
  d.operation = graph.operation;
  const Problem p(*d.operation);
  const bool along_w = p.w.extent[2] == 1 && p.w.extent[3] == 1;
  const auto mode = *d.get<cudnnBackendHeurMode_t>(CUDNN_ATTR_ENGINEHEUR_MODE);
  const auto count = static_cast<int>(engines().size());
  if (mode == CUDNN_HEUR_MODE_FALLBACK) {
    d.proposals = {0, count - 1};
  } else if (mode == CUDNN_HEUR_MODE_A) {
    if (along_w) return unsupported;
    for (int i = 0; i < count; ++i) d.proposals.push_back(i);
  } else {
    return bad;
  }
  return ok;
}

cudnnStatus_t plan(Descriptor& d) {
  const Descriptor& configuration = d.part(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
  if (configuration.type != CUDNN_BACKEND_ENGINECFG_DESCRIPTOR) return bad;
  d.operation = configuration.operation, d.engine = configuration.engine;
  const Problem p(*d.operation);
  const bool here = engines()[static_cast<std::size_t>(d.engine)].flaw != Flaw::not_here;
  return here && p.w.extent[2] != 5 ? ok : unsupported;
}

cudnnStatus_t finalize(cudnnBackendDescriptor_t handle) {
  Descriptor* const d = of(handle);
  if (d == nullptr || d->finalized) return bad;
  for (const Slot& slot : known().at(d->type))
    if (!d->values.contains(slot.name)) return bad;
  cudnnStatus_t status = ok;
  switch (d->type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
      if (*d->get<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE) != CUDNN_DATA_FLOAT) status = bad;
      break;
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR: status = is_good_convolution(*d) ? ok : bad; break;
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR: status = is_good_operation(*d) ? ok : bad; break;
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR: d->operation = &d->part(CUDNN_ATTR_OPERATIONGRAPH_OPS); break;
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR: status = propose(*d); break;
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR: status = plan(*d); break;
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR: break;
    default: status = bad;
  }
  d->finalized = status == ok;
  return status;
}

/// What queries give: proposals of heuristics, a configuration's engine, an engine's notes, a plan's work space.
cudnnStatus_t get_attribute(cudnnBackendDescriptor_t handle, Name name, cudnnBackendAttributeType_t type, std::int64_t most,
                            std::int64_t* count, void* to) {
  const Descriptor* const d = of(handle);
  if (d == nullptr || !d->whole() || count == nullptr) return bad;
  const auto fill = [&](std::int64_t k, Type wanted, int engine) {
    Descriptor* const made = of(static_cast<cudnnBackendDescriptor_t*>(to)[k]);
    if (made == nullptr || made->type != wanted || made->finalized) return false;
    made->engine = engine, made->operation = d->operation, made->finalized = true;
    made->parts = d->type == CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR ? d->parts : std::vector<const Descriptor*>{d};
    return true;
  };
  if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS && d->type == CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR) {
    if (type != CUDNN_TYPE_BACKEND_DESCRIPTOR) return bad;
    *count = static_cast<std::int64_t>(d->proposals.size());
    for (std::int64_t k = 0; k < std::min(most, *count); ++k)
      if (!fill(k, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, d->proposals[static_cast<std::size_t>(k)])) return bad;
    return ok;
  }
  if (name == CUDNN_ATTR_ENGINECFG_ENGINE && d->type == CUDNN_BACKEND_ENGINECFG_DESCRIPTOR) {
    *count = 1;
    return type == CUDNN_TYPE_BACKEND_DESCRIPTOR && (most == 0 || fill(0, CUDNN_BACKEND_ENGINE_DESCRIPTOR, d->engine)) ? ok : bad;
  }
  if (name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE && d->type == CUDNN_BACKEND_ENGINE_DESCRIPTOR) {
    const auto& notes = engines()[static_cast<std::size_t>(d->engine)].notes;
    *count = static_cast<std::int64_t>(notes.size());
    if (type != CUDNN_TYPE_NUMERICAL_NOTE || most < *count) return bad;
    std::copy(notes.begin(), notes.end(), static_cast<cudnnBackendNumericalNote_t*>(to));
    return ok;
  }
  if (name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE && d->type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
    if (type != CUDNN_TYPE_INT64 || most != 1) return bad;
    *count = 1;
    const bool much = engines()[static_cast<std::size_t>(d->engine)].flaw == Flaw::too_much_memory;
    *static_cast<std::int64_t*>(to) = much ? std::int64_t{1} << 33 : work_bytes;
    return ok;
  }
  return bad;
}

// ---- execution -------------------------------------------------------------------------------------------------------------

/// f(output voxel and channel, input voxel and channel, weight) for every product of the convolution.
template <class F>
void for_products(const Problem& p, const F& f) {
  const auto &x = p.x.extent, &y = p.y.extent, &w = p.w.extent;
  for (std::int64_t n = 0; n < y[0]; ++n)
    for (std::int64_t d = 0; d < y[2]; ++d)
      for (std::int64_t h = 0; h < y[3]; ++h)
        for (std::int64_t v = 0; v < y[4]; ++v)
          for (std::int64_t i = 0; i < w[2]; ++i)
            for (std::int64_t j = 0; j < w[3]; ++j)
              for (std::int64_t l = 0; l < w[4]; ++l) {
                const auto xd = d + i - p.padding[0], xh = h + j - p.padding[1], xw = v + l - p.padding[2];
                if (xd < 0 || xd >= x[2] || xh < 0 || xh >= x[3] || xw < 0 || xw >= x[4]) continue;
                for (std::int64_t o = 0; o < w[0]; ++o)
                  for (std::int64_t c = 0; c < w[1]; ++c)
                    f(p.y.at(n, o, d, h, v), p.x.at(n, c, xd, xh, xw), p.w.at(o, c, i, j, l));
              }
}

/// As a tensor core reads it: 10 bits of fraction.
double tf32(float v) { return static_cast<double>(std::bit_cast<float>((std::bit_cast<std::uint32_t>(v) + 0x1000U) & 0xffffe000U)); }

void compute(const Problem& p, float* x, float* w, float* y, bool tensor_cores) {
  const emulation::DeviceMemoryOpen open;
  const auto of_factors = [&](float v) { return tensor_cores ? tf32(v) : static_cast<double>(v); };
  const bool forward = p.type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR;
  const bool data = p.type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR;
  const Array& result = forward ? p.y : data ? p.x : p.w;
  float* const to = forward ? y : data ? x : w;
  std::vector<double> sums(result.size());
  for_products(p, [&](std::size_t iy, std::size_t ix, std::size_t iw) {
    if (forward)
      sums[iy] += of_factors(x[ix]) * of_factors(w[iw]);
    else if (data)
      sums[ix] += of_factors(y[iy]) * of_factors(w[iw]);
    else
      sums[iw] += of_factors(x[ix]) * of_factors(y[iy]);
  });
  for (std::size_t i = 0; i < sums.size(); ++i) to[i] = static_cast<float>(sums[i]);
}

cudnnStatus_t execute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack) {
  const Descriptor *const d = of(plan), *const operands = of(pack);
  if (handle != the_handle() || d == nullptr || !d->whole() || d->type != CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR ||
      operands == nullptr || !operands->whole() || operands->type != CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR)
    return bad;
  const Problem p(*d->operation);
  const auto* ids = operands->get<std::int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const auto* pointers = operands->get<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  void* const work = *operands->get<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
  float* arrays[3] = {};
  for (std::size_t k = 0; k < 3; ++k) {
    const auto* const found = std::find(ids, ids + 3, p.ids[k]);
    if (found == ids + 3) return bad;
    arrays[k] = static_cast<float*>(pointers[found - ids]);
    const Descriptor& tensor = Problem::slot(*d->operation, 3 + k);
    const auto alignment = *tensor.get<std::int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT);
    if (reinterpret_cast<std::uintptr_t>(arrays[k]) % static_cast<std::uintptr_t>(alignment) != 0)
      return CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER;
    emulation::require_device_range(arrays[k], 4 * Array(tensor).size(), "cuDNN's operand");
  }
  emulation::require_device_range(work, work_bytes, "cuDNN's work space");
  const auto& notes = engines()[static_cast<std::size_t>(d->engine)].notes;
  const bool tensor_cores = std::count(notes.begin(), notes.end(), CUDNN_NUMERICAL_NOTE_TENSOR_CORE) > 0;
  emulation::enqueue(stream, [p, tensor_cores, work, x = arrays[0], w = arrays[1], y = arrays[2]] {
    compute(p, x, w, y, tensor_cores);
    const emulation::DeviceMemoryOpen open;
    std::memset(work, 0xff, work_bytes);
  });
  return ok;
}

}  // namespace

const CudnnLibrary& cudnn_library() {
  require(emulation::setting("EMU_CUDNN", 0) != 0, "libcudnn.so.{} was not found", CUDNN_MAJOR);
  static const CudnnLibrary library{
      .get_version = []() -> std::size_t { return 91234; },
      .error_string = [](cudnnStatus_t status) { return status == bad ? "CUDNN_STATUS_BAD_PARAM" : "CUDNN_STATUS"; },
      .create = [](cudnnHandle_t* handle) { return *handle = the_handle(), ok; },
      .set_stream = [](cudnnHandle_t, cudaStream_t s) { return stream = s, ok; },
      .create_descriptor =
          [](Type type, cudnnBackendDescriptor_t* to) {
            if (!known().contains(type)) return bad;
            auto* const made = new Descriptor(type);
            living().insert(made);
            *to = made;
            return ok;
          },
      .destroy_descriptor =
          [](cudnnBackendDescriptor_t d) {
            if (living().erase(static_cast<Descriptor*>(d)) == 0) return bad;
            delete static_cast<Descriptor*>(d);
            return ok;
          },
      .set_attribute = set_attribute,
      .get_attribute = get_attribute,
      .finalize = finalize,
      .execute = execute,
  };
  return library;
}

}  // namespace fringe::cuda
