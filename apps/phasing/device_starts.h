// Some starts of `iterate` that go through their recipe side by side on one device: what all do at the same iteration is one
// command.
#pragma once
#include <memory>

#include "apps/phasing/device_iterator.h"
#include "apps/phasing/iterate_start.h"

namespace fringe {

class DeviceStarts {
 public:
  /// `starts`: at the same iteration all, which outlive this object. They stand still until keep() takes them on.
  DeviceStarts(Context<float>& context, const IterateProblem& common, std::vector<std::unique_ptr<IterateStart>>& starts);

  /// So many starts fill a device and fit into its cache together.
  static Index together(const Extent& pattern);

  Index iteration() const { return iteration_; }
  bool finished() const { return iteration_ >= common_.total; }
  /// Goes on by at most `most` iterations, and returns by how many; a device may still be at them.
  Index advance(Index most);
  /// Waits, and reads the misfits: the last one of the first start. Throws Error for a start that diverged.
  double look();
  /// Brings all that the device has to the starts, which are at iteration() then.
  void keep();

 private:
  const IterateProblem& common_;
  std::vector<std::unique_ptr<IterateStart>>& starts_;
  DeviceIterator iterator_;
  std::vector<double> thresholds_;
  std::vector<DeviceIterator::Record> unkept_;  ///< since the last keep()
  Index iteration_;
};

}  // namespace fringe
