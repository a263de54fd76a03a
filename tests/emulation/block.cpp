// A block of CUDA threads on one thread of the host.
//
// Every CUDA thread is a fiber with a stack of its own. The scheduler resumes the fibers that can run, one after another in
// the order EMU_ORDER asks for (0: by number, 1: backwards, 2: shuffled anew for each block by EMU_SEED); a fiber runs until
// it waits at a barrier or in a warp operation. Blocks run one after another (order 1: the last first). Before each, static
// and dynamic shared memory are filled with 0xFF, which is NaN for floats.
#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>
#ifndef __x86_64__
#include <ucontext.h>
#endif

#include "tests/emulation/internal.h"
#include "tests/emulation/ptx.h"
#include "tests/emulation/sanitizers.h"

namespace emulation {

Thread* thread = nullptr;
Block block;

namespace {

constexpr std::size_t stack_bytes = std::size_t{256} << 10;
constexpr std::size_t most_dynamic = std::size_t{227} << 10;  // sm_90; sm_80 has 163 KB, sm_86 and 89 have 99 KB
constexpr int most_threads = 1024;

struct AsyncCopy {
  void* to;
  const void* from;
  int bytes;
  bool valid;
};
struct AsyncCopies {
  std::vector<AsyncCopy> open;
  std::deque<std::vector<AsyncCopy>> committed;
};

std::vector<Thread> threads(most_threads);
std::vector<AsyncCopies> async_copies(most_threads);
// A thread's stack, and ThreadSanitizer's idea of it. There blocks use two sets in turn, or thread 0 of one block would be
// taken for thread 0 of the next, and races between blocks be missed.
struct Stack {
  char* memory = nullptr;
  void* fiber = nullptr;
};
std::vector<std::array<Stack, 2>> stacks(most_threads);
std::vector<int> order;
int thread_count = 0, running = 0;
const char* kernel_name = "none";
const std::function<void()>* kernel_body = nullptr;

struct BarrierState {
  int arrived = 0;
  unsigned votes = 0, result = 0;
} barrier_state;

// ThreadSanitizer's synchronisation objects. The blocks' ones are used in turn, so that two blocks share none.
char grid_begins, grid_ends;
struct BlockTags {
  char barrier, warp[32];
} block_tags[1024], *tags = block_tags;

// ---- the switch from fiber to fiber -----------------------------------------------------------------------------------
void* scheduler_stack_pointer = nullptr;
void* scheduler_address_sanitizer = nullptr;
void* scheduler_thread_sanitizer = nullptr;
const void* scheduler_stack = nullptr;
std::size_t scheduler_stack_bytes = 0;

#ifdef __x86_64__
// Saves the registers a function must preserve on the stack, and goes on where the other stack was left.
extern "C" void emulation_switch(void** save, void* to);
asm(R"(.text
.globl emulation_switch
.type emulation_switch,@function
emulation_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size emulation_switch,.-emulation_switch
)");
void switch_stacks(void** save, void* to) { emulation_switch(save, to); }

void* new_stack(char* stack, int number, void (*entry)()) {
  // Tops at different offsets: equal ones would compete for the same lines of the cache.
  auto** top = reinterpret_cast<void**>(stack + stack_bytes - 16 - number % 61 * 1088);
  *--top = nullptr;  // the stack is 16-byte aligned where the entry begins
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  return top;
}
#else
void switch_stacks(void** save, void* to) {
  if (*save == nullptr) *save = new ucontext_t;
  swapcontext(static_cast<ucontext_t*>(*save), static_cast<ucontext_t*>(to));
}
void* new_stack(char* stack, int, void (*entry)()) {
  auto* context = new ucontext_t;
  getcontext(context);
  context->uc_stack = {stack, 0, stack_bytes};
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
  return context;
}
#endif

void return_to_scheduler(bool for_good) {
  Thread& self = *thread;
  sanitizer::before_switch(for_good ? nullptr : &self.address_sanitizer, scheduler_stack, scheduler_stack_bytes);
  sanitizer::become(scheduler_thread_sanitizer);
  switch_stacks(&self.stack_pointer, scheduler_stack_pointer);
  sanitizer::after_switch(self.address_sanitizer, nullptr, nullptr);
}

void fiber() {
  sanitizer::after_switch(nullptr, &scheduler_stack, &scheduler_stack_bytes);
  sanitizer::acquire(&grid_begins);
  (*kernel_body)();
  sanitizer::release(&grid_ends);
  thread->state = State::returned;
  --running;
  return_to_scheduler(true);
  std::abort();
}

void resume(Thread& t) {
  thread = &t;
  sanitizer::before_switch(&scheduler_address_sanitizer, t.stack, stack_bytes);
  sanitizer::become(t.thread_sanitizer);
  switch_stacks(&scheduler_stack_pointer, t.stack_pointer);
  sanitizer::after_switch(scheduler_address_sanitizer, nullptr, nullptr);
  thread = nullptr;
}

void begin(Thread& t, int number) {
  Stack& stack = stacks[static_cast<std::size_t>(number)][sanitizer::checks_races ? (tags - block_tags) % 2 : 0];
  if (stack.memory == nullptr) {
    void* memory = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) fail("no memory for stacks");
    stack = {static_cast<char*>(memory), sanitizer::new_fiber()};
  }
  t.stack = stack.memory;
  t.thread_sanitizer = stack.fiber;
  const auto n = static_cast<unsigned>(number);
  t.number = number;
  t.index = {n % block.size.x, n / block.size.x % block.size.y, n / (block.size.x * block.size.y)};
  t.state = State::running;
  t.stack_pointer = new_stack(t.stack, number, fiber);
  async_copies[static_cast<std::size_t>(number)] = {};
}

/// Who waits where, in groups.
std::string whereabouts() {
  std::map<std::string, std::vector<int>> groups;
  for (int i = 0; i < thread_count; ++i) {
    const Thread& t = threads[static_cast<std::size_t>(i)];
    char text[400];
    switch (t.state) {
      case State::running: std::snprintf(text, sizeof text, "can run"); break;
      case State::returned: std::snprintf(text, sizeof text, "have returned"); break;
      case State::at_barrier: std::snprintf(text, sizeof text, "wait at __syncthreads, %s:%d", t.place.file, t.place.line); break;
      case State::in_warp_operation:
        std::snprintf(text, sizeof text, "wait in %s of lanes %08x, %s:%d", t.operation, t.mask, t.place.file, t.place.line);
        break;
    }
    groups[text].push_back(i);
  }
  std::string all;
  for (const auto& [text, members] : groups)
    all += "  " + std::to_string(members.size()) + " threads (" + std::to_string(members.front()) + " to " +
           std::to_string(members.back()) + ") " + text + "\n";
  return all;
}

void run_block() {
  barrier_state = {};
  tags = tags == std::end(block_tags) - 1 ? block_tags : tags + 1;
  for (const auto& [data, bytes] : static_shared_arrays()) {
    unseen_fill(data, 0xff, bytes);
    sanitizer::forget(data, bytes);  // shared memory is new for each block
  }
  unseen_fill(block.dynamic_shared, 0xff, block.dynamic_bytes);
  sanitizer::forget(block.dynamic_shared, block.dynamic_bytes);
  running = thread_count;
  for (int i = 0; i < thread_count; ++i) begin(threads[static_cast<std::size_t>(i)], i);
  while (running > 0) {
    bool progress = false;
    for (const int i : order) {
      Thread& t = threads[static_cast<std::size_t>(i)];
      if (t.state != State::running) continue;
      progress = true;
      resume(t);
    }
    if (!progress) fail("deadlock\n%s", whereabouts().c_str());
  }
}

}  // namespace

int setting(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::atoi(text) : otherwise;
}

__attribute__((no_sanitize("address", "thread"))) void unseen_fill(void* to, unsigned char byte, std::size_t bytes) {
  auto* p = static_cast<volatile unsigned char*>(to);
  const std::uint64_t word = 0x0101010101010101U * byte;
  std::size_t i = 0;
  for (; i + 8 <= bytes; i += 8) *reinterpret_cast<volatile std::uint64_t*>(p + i) = word;
  for (; i < bytes; ++i) p[i] = byte;
}

__attribute__((no_sanitize("address", "thread"))) void unseen_copy(void* to, const void* from, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i)
    static_cast<volatile unsigned char*>(to)[i] = static_cast<const volatile unsigned char*>(from)[i];
}

void fail(const char* format, ...) {
  std::fprintf(stderr, "emulation: kernel %s, block (%u,%u,%u)", kernel_name, block.index.x, block.index.y, block.index.z);
  if (thread != nullptr) std::fprintf(stderr, ", thread (%u,%u,%u)", thread->index.x, thread->index.y, thread->index.z);
  std::fprintf(stderr, ": ");
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fputc('\n', stderr);
  std::fflush(nullptr);
  _exit(98);
}

void run_grid(const char* name, dim3 grid, dim3 size, std::size_t shared_bytes, const std::function<void()>& body) {
  const DeviceMemoryOpen open;
  kernel_name = name;
  kernel_body = &body;
  block.grid = grid;
  block.size = size;
  block.index = {};
  thread_count = static_cast<int>(size.x * size.y * size.z);
  if (thread_count < 1 || thread_count > most_threads || size.z > 64) fail("a block of %u x %u x %u", size.x, size.y, size.z);
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffffU || grid.y > 65535 || grid.z > 65535)
    fail("a grid of %u x %u x %u", grid.x, grid.y, grid.z);
  if (shared_bytes > most_dynamic) fail("%zu bytes of dynamic shared memory", shared_bytes);
  static char* const dynamic = static_cast<char*>(std::aligned_alloc(1024, (most_dynamic / 1024 + 4) * 1024));
  block.dynamic_shared = dynamic;
  block.dynamic_bytes = shared_bytes;
  sanitizer::unpoison(dynamic, shared_bytes);
  sanitizer::poison(dynamic + shared_bytes, most_dynamic + 1024 - shared_bytes);
  if (scheduler_thread_sanitizer == nullptr) scheduler_thread_sanitizer = sanitizer::this_fiber();
  static const int wanted_order = setting("EMU_ORDER", 0);
  static std::mt19937 random(static_cast<unsigned>(setting("EMU_SEED", 1)));
  order.resize(static_cast<std::size_t>(thread_count));
  std::iota(order.begin(), order.end(), 0);
  if (wanted_order == 1) std::reverse(order.begin(), order.end());
  sanitizer::release(&grid_begins);
  const std::uint64_t blocks = std::uint64_t{grid.x} * grid.y * grid.z;
  for (std::uint64_t i = 0; i < blocks; ++i) {
    const std::uint64_t b = wanted_order == 1 ? blocks - 1 - i : i;
    block.index = {static_cast<unsigned>(b % grid.x), static_cast<unsigned>(b / grid.x % grid.y),
                   static_cast<unsigned>(b / grid.x / grid.y)};
    if (wanted_order == 2) std::shuffle(order.begin(), order.end(), random);
    run_block();
  }
  sanitizer::acquire(&grid_ends);
}

// ---- barriers and warp operations ---------------------------------------------------------------------------------------
namespace {
/// EMU_SKIP_BARRIER=reduce.cuh:31 takes the barrier of this line out, of a block or a warp: tests show that it is needed.
bool left_out(const Place& place) {
  static const std::string wanted = [] {
    const char* text = std::getenv("EMU_SKIP_BARRIER");
    return std::string(text != nullptr ? text : "");
  }();
  return !wanted.empty() && ("/" + std::string(place.file) + ":" + std::to_string(place.line)).ends_with("/" + wanted);
}
}  // namespace

unsigned barrier(unsigned vote, Place place) {
  if (left_out(place)) return vote;
  BarrierState& b = barrier_state;
  Thread& self = *thread;
  self.state = State::at_barrier;
  self.place = place;
  if (running < thread_count)
    fail("%d threads returned before a __syncthreads that others reach, %s:%d", thread_count - running, place.file, place.line);
  b.votes += vote;
  sanitizer::release(&tags->barrier);
  if (++b.arrived < thread_count) {
    return_to_scheduler(false);
    return b.result;
  }
  for (int i = 0; i < thread_count; ++i) {
    Thread& t = threads[static_cast<std::size_t>(i)];
    if (t.place.line != place.line || std::strcmp(t.place.file, place.file) != 0)
      fail("divergent __syncthreads: threads meet from different lines\n%s", whereabouts().c_str());
    t.state = State::running;
    sanitizer::become(t.thread_sanitizer);
    sanitizer::acquire(&tags->barrier);
  }
  sanitizer::become(self.thread_sanitizer);
  b.result = b.votes;
  b.votes = 0;
  b.arrived = 0;
  return b.result;
}

namespace {
/// Waits for the lanes; the last to arrive does `complete(lanes)`.
template <class F>
void meet(const char* name, unsigned mask, Place place, const F& complete) {
  Thread& self = *thread;
  const int first = self.number / 32 * 32, lane = self.number % 32;
  if ((mask >> lane & 1) == 0) fail("%s: the calling lane %d is not in the mask %08x, %s:%d", name, lane, mask, place.file, place.line);
  self.state = State::in_warp_operation;
  self.operation = name;
  self.mask = mask;
  self.place = place;
  Lanes lanes{&threads[static_cast<std::size_t>(first)], 0};
  for (int l = 0; l < 32; ++l) {
    if ((mask >> l & 1) == 0 || first + l >= thread_count || lanes.first[l].state == State::returned) continue;
    const Thread& t = lanes.first[l];
    if (t.state != State::in_warp_operation || t.mask != mask || std::strcmp(t.operation, name) != 0)
      return return_to_scheduler(false);
    lanes.present |= 1U << l;
  }
  complete(lanes);
  for (int l = 0; l < 32; ++l)
    if (lanes.has(l)) lanes.first[l].state = State::running;
}
}  // namespace

void warp_operation(const char* name, unsigned mask, void* operands, std::size_t bytes, void (*carry_out)(const Lanes&),
                    Place place) {
  Thread& self = *thread;
  unseen_copy(self.operands, operands, bytes);
  meet(name, mask, place, carry_out);
  unseen_copy(operands, self.operands, bytes);
}

void warp_barrier(unsigned mask, Place place) {
  if (left_out(place)) return;
  Thread& self = *thread;
  char* const tag = &tags->warp[self.number / 32];
  sanitizer::release(tag);
  meet("__syncwarp", mask, place, [&self, tag](const Lanes& lanes) {
    for (int l = 0; l < 32; ++l) {
      if (!lanes.has(l)) continue;
      sanitizer::become(lanes.first[l].thread_sanitizer);
      sanitizer::acquire(tag);
    }
    sanitizer::become(self.thread_sanitizer);
  });
}

void carry_out_shuffle(const Lanes& lanes) {
  std::uint64_t given[32] = {};
  for (int l = 0; l < 32; ++l)
    if (lanes.has(l)) given[l] = lanes.of<ShuffleOperands>(l).value;
  for (int l = 0; l < 32; ++l) {
    if (!lanes.has(l)) continue;
    auto& o = lanes.of<ShuffleOperands>(l);
    const int segment = l / o.width * o.width;
    int from = l;
    switch (o.kind) {
      case Shuffle::index: from = segment + (o.argument & (o.width - 1)); break;
      case Shuffle::up: from = l - o.argument >= segment ? l - o.argument : l; break;
      case Shuffle::down: from = l + o.argument < segment + o.width ? l + o.argument : l; break;
      case Shuffle::exclusive_or: from = (l ^ o.argument) < segment + o.width ? l ^ o.argument : l; break;
    }
    if (!lanes.has(from)) fail("a shuffle reads lane %d, which takes no part", from);
    o.value = given[from];
  }
}

unsigned ballot(const char* name, unsigned mask, bool predicate, Place place) {
  unsigned word = predicate;
  warp_operation(name, mask, &word, sizeof word, [](const Lanes& lanes) {
    unsigned bits = 0;
    for (int l = 0; l < 32; ++l)
      if (lanes.has(l) && lanes.of<unsigned>(l) != 0) bits |= 1U << l;
    for (int l = 0; l < 32; ++l)
      if (lanes.has(l)) lanes.of<unsigned>(l) = bits;
  }, place);
  return word;
}

// ---- tensor-core instructions: fragments as in the PTX manual, see kernels/cuda/ptx.cuh -----------------------------------
void carry_out_load_matrix(const Lanes& lanes) {
  if (lanes.present != ~0U) fail("ldmatrix needs all 32 lanes");
  for (int l = 0; l < 32; ++l) {
    auto& o = lanes.of<MatrixOperands>(l);
    const int g = l / 4, t = l % 4;
    for (int m = 0; m < o.count; ++m) {
      const auto element = [&](int row, int column) -> std::uint32_t { return lanes.of<MatrixOperands>(8 * m + row).row[column]; };
      o.result[m] = o.transposed ? element(2 * t, g) | element(2 * t + 1, g) << 16 : element(g, 2 * t) | element(g, 2 * t + 1) << 16;
    }
  }
}

namespace {
/// d += a b for a (16 x K) and b (K x 8) laid out in full, summed in float along K.
template <int K>
void multiply_full(const Lanes& lanes, const float (&a)[16][K], const float (&b)[K][8]) {
  for (int l = 0; l < 32; ++l)
    for (int i = 0; i < 4; ++i) {
      float sum = 0;
      for (int k = 0; k < K; ++k) sum += a[l / 4 + 8 * (i / 2)][k] * b[k][2 * (l % 4) + i % 2];
      lanes.of<ProductOperands>(l).d[i] += sum;
    }
}
}  // namespace

void carry_out_bf16(const Lanes& lanes) {
  if (lanes.present != ~0U) fail("mma needs all 32 lanes");
  float a[16][16], b[16][8];
  const auto half = [](std::uint32_t pair, int which) { return __uint_as_float(which == 1 ? pair & 0xffff0000U : pair << 16); };
  for (int l = 0; l < 32; ++l) {
    const auto& o = lanes.of<ProductOperands>(l);
    const int g = l / 4, t = 2 * (l % 4);
    for (int h = 0; h < 2; ++h) {
      for (int i = 0; i < 4; ++i) a[g + 8 * (i % 2)][t + 8 * (i / 2) + h] = half(o.a[i], h);
      for (int i = 0; i < 2; ++i) b[t + 8 * i + h][g] = half(o.b[i], h);
    }
  }
  multiply_full(lanes, a, b);
}

void carry_out_tf32(const Lanes& lanes) {
  if (lanes.present != ~0U) fail("mma needs all 32 lanes");
  float a[16][8], b[8][8];
  const auto upper = [](std::uint32_t bits) { return __uint_as_float(bits & 0xffffe000U); };  // the rest is not looked at
  for (int l = 0; l < 32; ++l) {
    const auto& o = lanes.of<ProductOperands>(l);
    const int g = l / 4, t = l % 4;
    for (int i = 0; i < 4; ++i) a[g + 8 * (i % 2)][t + 4 * (i / 2)] = upper(o.a[i]);
    for (int i = 0; i < 2; ++i) b[t + 4 * i][g] = upper(o.b[i]);
  }
  multiply_full(lanes, a, b);
}

// ---- cp.async -------------------------------------------------------------------------------------------------------------
void copy_async(void* shared, const void* global, int bytes, bool valid) {
  const auto misaligned = [bytes](const void* p) { return reinterpret_cast<std::uintptr_t>(p) % static_cast<unsigned>(bytes) != 0; };
  if (misaligned(shared) || (valid && misaligned(global))) fail("cp.async of %d bytes from or to a misaligned address", bytes);
  async_copies[static_cast<std::size_t>(thread->number)].open.push_back({shared, global, bytes, valid});
}

void copy_async_commit() {
  auto& own = async_copies[static_cast<std::size_t>(thread->number)];
  own.committed.push_back(std::move(own.open));
  own.open.clear();
}

void copy_async_wait(int pending) {
  auto& own = async_copies[static_cast<std::size_t>(thread->number)];
  for (; static_cast<int>(own.committed.size()) > pending; own.committed.pop_front())
    for (const AsyncCopy& c : own.committed.front()) {  // memcpy and memset are seen by the sanitizers
      if (c.valid)
        std::memcpy(c.to, c.from, static_cast<std::size_t>(c.bytes));
      else
        std::memset(c.to, 0, static_cast<std::size_t>(c.bytes));
    }
}

}  // namespace emulation
