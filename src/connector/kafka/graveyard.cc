#include "connector/kafka/graveyard.h"

#include <absl/time/time.h>

#include <memory>
#include <utility>

#include "base/steady_clock.h"

namespace fs::connector::kafka {

Graveyard::~Graveyard() {
  const absl::Time deadline = SteadyNow() + absl::Seconds(2);
  absl::MutexLock lock(&mutex_);
  for (Clear(); !burials_.empty() && SteadyNow() < deadline; Clear()) {
    absl::SleepFor(absl::Milliseconds(2));
  }
  // Each Burial that is left is read by its thread for as long as that runs: it is not freed.
}

void Graveyard::Bury(const std::function<void()>& close) {
  absl::MutexLock lock(&mutex_);
  Clear();
  auto burial = std::make_unique<Burial>();
  auto thread = Thread::Start("kafka-close", [close, burial = burial.get()] {
    close();
    burial->is_done.store(true, std::memory_order_release);
  });
  if (!thread.ok()) {
    close();
    return;
  }
  burial->thread = *std::move(thread);
  burials_.push_back(burial.release());
}

void Graveyard::Clear() {
  std::erase_if(burials_, [](Burial* burial) {
    if (!burial->is_done.load(std::memory_order_acquire)) return false;
    delete burial;
    return true;
  });
}

}  // namespace fs::connector::kafka
