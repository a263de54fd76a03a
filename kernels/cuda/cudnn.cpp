// cuDNN's graph API. A convolution is a graph of one operation, for which cuDNN lists configurations of its engines: what its
// heuristics propose, fastest first by their estimate, and what there is to fall back to. The first is taken that
//  - is deterministic, and rounds no factor and no partial sum to fewer bits than asked for, by its engine's numerical notes;
//  - becomes an execution plan: configurations for other machines or shapes end there; with work space in bounds.
// Weights are channels last, (Co,Kd,Kh,Kw,Ci), as its documents want them. Strides could describe ours, (Kd,Kh,Kw,Ci,Co), and
// cuDNN 9.19 takes them, but plans as if they were channels last (docs/adr/0012).
// Plans are made at the first use of a shape and kept to the end.
#include "kernels/cuda/cudnn.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "kernels/cuda/check.h"
#include "kernels/cuda/cudnn_library.h"

namespace fringe::cuda::cudnn {
namespace {

constexpr std::int64_t most_workspace = std::int64_t{512} << 20;
constexpr std::int64_t alignment = 16;  // of all arrays [bytes]: more is not asked for by any engine

cudnnHandle_t handle = nullptr;
std::string why_not;
bool asked = false;

void check_cudnn(cudnnStatus_t status, const char* tried) {
  if (status != CUDNN_STATUS_SUCCESS) [[unlikely]]
    fail<DeviceError>("cuDNN: {} failed: {}", tried, cudnn_library().error_string(status));
}

bool plans_for_described_device();

/// cuDNN and a handle, once; false with a reason.
bool there() {
  if (plans_for_described_device()) return true;
  if (!asked) {
    asked = true;
    try {
      if (const auto status = cudnn_library().create(&handle); status != CUDNN_STATUS_SUCCESS) {
        handle = nullptr;
        why_not = fmt::format("cuDNN does not start: {}", cudnn_library().error_string(status));
      }
    } catch (const Error& error) {
      why_not = error.what();
    }
  }
  return handle != nullptr;
}

// What cuDNN calls the types of attributes.
constexpr auto type_of(void* const*) { return CUDNN_TYPE_VOID_PTR; }
constexpr auto type_of(const std::int64_t*) { return CUDNN_TYPE_INT64; }
constexpr auto type_of(const float*) { return CUDNN_TYPE_FLOAT; }
constexpr auto type_of(const cudnnHandle_t*) { return CUDNN_TYPE_HANDLE; }
constexpr auto type_of(const cudnnDataType_t*) { return CUDNN_TYPE_DATA_TYPE; }
constexpr auto type_of(const cudnnConvolutionMode_t*) { return CUDNN_TYPE_CONVOLUTION_MODE; }
constexpr auto type_of(const cudnnBackendHeurMode_t*) { return CUDNN_TYPE_HEUR_MODE; }
constexpr auto type_of(const cudnnBackendNumericalNote_t*) { return CUDNN_TYPE_NUMERICAL_NOTE; }

/// One of cuDNN's descriptors: its attributes are set one by one, then it is finalized.
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    check_cudnn(cudnn_library().create_descriptor(type, &descriptor_), "making a descriptor");
  }
  ~Descriptor() {
    if (descriptor_ != nullptr) cudnn_library().destroy_descriptor(descriptor_);
  }
  Descriptor(Descriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }

  cudnnBackendDescriptor_t get() const { return descriptor_; }

  template <class T, std::size_t Count>
  void set(cudnnBackendAttributeName_t name, const T (&values)[Count]) {
    set(name, type_of(values), static_cast<std::int64_t>(Count), values);
  }
  template <class T>
  void set(cudnnBackendAttributeName_t name, const T& value) {
    set(name, type_of(&value), 1, &value);
  }
  void set(cudnnBackendAttributeName_t name, const Descriptor& other) {
    set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &other.descriptor_);
  }

  void set(cudnnBackendAttributeName_t name, const std::string& text) {
    set(name, CUDNN_TYPE_CHAR, static_cast<std::int64_t>(text.size()), text.data());
  }

  cudnnStatus_t finalize() { return cudnn_library().finalize(descriptor_); }
  Descriptor finalized() && {
    check_cudnn(finalize(), "finishing a descriptor");
    return std::move(*this);
  }

  /// At most `most` values of an attribute.
  template <class T>
  std::vector<T> get(cudnnBackendAttributeName_t name, std::int64_t most) const {
    std::vector<T> values(static_cast<std::size_t>(most));
    std::int64_t count = 0;
    check_cudnn(cudnn_library().get_attribute(descriptor_, name, type_of(values.data()), most, &count, values.data()), "a query");
    values.resize(static_cast<std::size_t>(std::min(count, most)));
    return values;
  }
  /// All descriptors that an attribute holds. cuDNN fills in what the caller has made.
  std::vector<Descriptor> get(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type) const {
    std::int64_t count = 0;
    const auto query = [&](std::int64_t most, cudnnBackendDescriptor_t* to) {
      check_cudnn(cudnn_library().get_attribute(descriptor_, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, most, &count, to), "a query");
    };
    query(0, nullptr);
    std::vector<Descriptor> found;
    std::vector<cudnnBackendDescriptor_t> bare;
    for (std::int64_t i = 0; i < count; ++i) bare.push_back(found.emplace_back(type).get());
    if (count > 0) query(count, bare.data());
    while (static_cast<std::int64_t>(found.size()) > count) found.pop_back();
    return found;
  }

 private:
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count, const void* values) {
    check_cudnn(cudnn_library().set_attribute(descriptor_, name, type, count, values), "setting an attribute");
  }
  cudnnBackendDescriptor_t descriptor_ = nullptr;
};

std::optional<Descriptor>& described_device() {
  static auto& device = *new std::optional<Descriptor>;  // as the plans, below
  return device;
}
bool plans_for_described_device() { return described_device().has_value(); }

// Of cudnn_graph.h from 9.8 on, by number, so that older headers do.
constexpr auto type_of_device = static_cast<cudnnBackendDescriptorType_t>(38);
constexpr auto name_of_device_text = static_cast<cudnnBackendAttributeName_t>(2702),
               name_of_heuristics_device = static_cast<cudnnBackendAttributeName_t>(204),
               name_of_plan_device = static_cast<cudnnBackendAttributeName_t>(407);

enum Id : std::int64_t { id_x = 1, id_w, id_y };

/// Extents in cuDNN's order (N, C, D, H, W), strides of channels last.
Descriptor volume(std::int64_t id, const Shape& s, Index channels) {
  const Index w = channels, h = s.w * w, d = s.h * h;
  const std::int64_t extents[]{s.n, channels, s.d, s.h, s.w}, strides[]{s.d * d, 1, d, h, w};
  Descriptor t(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  t.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_DATA_FLOAT);
  t.set(CUDNN_ATTR_TENSOR_DIMENSIONS, extents);
  t.set(CUDNN_ATTR_TENSOR_STRIDES, strides);
  t.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id);
  t.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, alignment);
  return std::move(t).finalized();
}

/// Of (Co, Kd, Kh, Kw, Ci): a volume for each output channel.
Descriptor weights(const Shape& k) { return volume(id_w, {k.c, k.n, k.d, k.h}, k.w); }

Descriptor same_size(const Shape& kernel) {
  const std::int64_t padding[] = {kernel.n / 2, kernel.d / 2, kernel.h / 2}, ones[] = {1, 1, 1};
  Descriptor c(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  c.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t{3});
  c.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
  c.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION);
  c.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, padding);
  c.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, padding);
  c.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, ones);
  c.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, ones);
  return std::move(c).finalized();
}

/// What cuDNN calls the operation and its attributes, by Pass.
struct Names {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t alpha, beta, convolution, x, w, y;
};
constexpr Names names[] = {
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY},
};

/// A graph of one operation. What it is made of lives as long.
struct Graph {
  Descriptor x, w, y, convolution, operation, graph;

  explicit Graph(const Convolution& c)
      : x(volume(id_x, c.volume, c.kernel.w)),
        w(weights(c.kernel)),
        y(volume(id_y, c.volume, c.kernel.c)),
        convolution(same_size(c.kernel)),
        operation(names[static_cast<int>(c.pass)].type),
        graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR) {
    const Names& n = names[static_cast<int>(c.pass)];
    operation.set(n.alpha, 1.0F);
    operation.set(n.beta, 0.0F);
    operation.set(n.convolution, convolution);
    operation.set(n.x, x);
    operation.set(n.w, w);
    operation.set(n.y, y);
    check_cudnn(operation.finalize(), "describing a convolution");
    if (!plans_for_described_device()) graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, handle);
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
    check_cudnn(graph.finalize(), "making a graph of a convolution");
  }
};

struct Plan {
  std::optional<Graph> graph;
  std::optional<Descriptor> configuration, execution;  ///< empty: there is none
  std::size_t workspace = 0;
};

/// Whether the engine keeps what was asked for. A product of tensor cores, whose factors are float32, is one of tf32; inputs that
/// are converted become float16 or bfloat16.
bool as_exact_as(const Descriptor& engine, bool tf32) {
  const auto notes = engine.get<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, 64);
  return std::none_of(notes.begin(), notes.end(), [tf32](cudnnBackendNumericalNote_t note) {
    return note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC || note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS ||
           note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION || (note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE && !tf32);
  });
}

/// Makes an execution plan of the first good one of the configurations in the list of this mode, if there is one.
void plan_by(Plan& plan, cudnnBackendHeurMode_t mode, bool tf32) {
  Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, plan.graph->graph);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, mode);
  if (const auto& device = described_device()) heuristics.set(name_of_heuristics_device, *device);
  if (heuristics.finalize() != CUDNN_STATUS_SUCCESS) return;  // nothing for this graph
  for (auto& configuration : heuristics.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)) {
    const auto engine = configuration.get(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    if (engine.empty() || !as_exact_as(engine.front(), tf32)) continue;
    Descriptor execution(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    if (const auto& device = described_device())
      execution.set(name_of_plan_device, *device);
    else
      execution.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, handle);
    execution.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
    if (execution.finalize() != CUDNN_STATUS_SUCCESS) continue;
    const auto bytes = execution.get<std::int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, 1).at(0);
    if (bytes > most_workspace) continue;
    plan.workspace = static_cast<std::size_t>(bytes);
    plan.configuration = std::move(configuration);
    plan.execution = std::move(execution);
    return;
  }
}

Plan make(const Convolution& c) {
  Plan plan;
  try {
    plan.graph.emplace(c);
    for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
      if (!plan.execution) plan_by(plan, mode, c.tf32);
  } catch (const DeviceError&) {  // it does not even describe this
    plan.execution.reset();
  }
  return plan;
}

const Plan& plan_for(const Convolution& c) {
  static auto& plans = *new std::map<Convolution, Plan>;  // to the very end, when descriptors can no longer be given back
  const auto found = plans.find(c);
  return found != plans.end() ? found->second : plans.emplace(c, make(c)).first->second;
}

}  // namespace

bool can(const Convolution& c) {
  return there() && c.volume.rows() * std::max(c.kernel.w, c.kernel.c) < (Index{1} << 31) && plan_for(c).execution.has_value();
}

std::size_t workspace(const Convolution& c) { return plan_for(c).workspace; }

void run(Stream& stream, const Convolution& c, const float* a, const float* b, float* result, void* workspace) {
  const CudnnLibrary& l = cudnn_library();
  const Plan& plan = plan_for(c);
  const std::int64_t ids[3][3] = {{id_x, id_w, id_y}, {id_y, id_w, id_x}, {id_x, id_y, id_w}};  // of a, b, result, by Pass
  void* const arrays[] = {const_cast<float*>(a), const_cast<float*>(b), result};
  Descriptor operands(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  operands.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, ids[static_cast<int>(c.pass)]);
  operands.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, arrays);
  operands.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, workspace);
  check_cudnn(operands.finalize(), "naming a convolution's arrays");
  check_cudnn(l.set_stream(handle, static_cast<cudaStream_t>(stream.queue())), "the choice of stream");
  check_cudnn(l.execute(handle, plan.execution->get(), operands.get()), "a convolution");
}

void plan_for_device(const std::string& json) {
  Descriptor device(type_of_device);
  device.set(name_of_device_text, json);
  described_device() = std::move(device).finalized();
}

std::string version(std::string& why_none) {
  why_none.clear();
  if (!there()) {
    why_none = why_not;
    return {};
  }
  const std::size_t v = cudnn_library().get_version();
  return fmt::format("{}.{}.{}", v / 10000, v / 100 % 100, v % 100);
}

}  // namespace fringe::cuda::cudnn
