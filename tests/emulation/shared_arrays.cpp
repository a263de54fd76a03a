// Finds the kernels' static shared arrays in this program.
//
// `__shared__` is `static` here, and a section attribute would do to find the arrays, but GCC drops it in templates. The
// program's own symbol table knows them all: every static variable of a function (its mangled name begins with _ZZ) in a
// file *.cu is taken for a shared array. So a .cu file keeps its host functions free of static variables.
#include <elf.h>

#include <cstdio>
#include <string_view>

#include "tests/emulation/internal.h"

extern "C" const char __ehdr_start[];  // the linker's name for the beginning of the program in memory

namespace emulation {
namespace {

std::vector<char> read_program() {
  std::vector<char> bytes;
  std::FILE* file = std::fopen("/proc/self/exe", "rb");
  if (file == nullptr) fail("cannot read the program's own symbols");
  char part[1 << 16];
  for (std::size_t n; (n = std::fread(part, 1, sizeof part, file)) > 0;) bytes.insert(bytes.end(), part, part + n);
  std::fclose(file);
  return bytes;
}

std::vector<SharedArray> find() {
  std::vector<SharedArray> found;
  const std::vector<char> program = read_program();
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(program.data());
  const auto* sections = reinterpret_cast<const Elf64_Shdr*>(program.data() + header->e_shoff);
  // In a program that is loaded anywhere (PIE), addresses count from where it begins.
  const std::size_t base = header->e_type == ET_DYN ? reinterpret_cast<std::size_t>(__ehdr_start) : 0;
  for (int s = 0; s < header->e_shnum; ++s) {
    if (sections[s].sh_type != SHT_SYMTAB) continue;
    const auto* symbols = reinterpret_cast<const Elf64_Sym*>(program.data() + sections[s].sh_offset);
    const char* names = program.data() + sections[sections[s].sh_link].sh_offset;
    bool in_kernels = false;
    for (std::size_t i = 0; i < sections[s].sh_size / sizeof(Elf64_Sym); ++i) {
      const std::string_view name = names + symbols[i].st_name;
      const auto type = ELF64_ST_TYPE(symbols[i].st_info);
      if (type == STT_FILE) in_kernels = name.ends_with(".cu");
      if (in_kernels && type == STT_OBJECT && name.starts_with("_ZZ"))
        found.push_back({reinterpret_cast<char*>(base + symbols[i].st_value), symbols[i].st_size});
    }
  }
  return found;
}

}  // namespace

const std::vector<SharedArray>& static_shared_arrays() {
  static const std::vector<SharedArray> arrays = find();
  return arrays;
}

}  // namespace emulation
