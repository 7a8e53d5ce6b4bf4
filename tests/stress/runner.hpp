// SPDX-License-Identifier: MIT
#pragma once

#include "stress/actors.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace stress {

struct result {
  std::uint64_t steps = 0;
  std::string why;  // empty: the library did what the model says
  std::array<std::uint64_t, model::machine::rules + 1> checked{};
  std::array<std::uint64_t, model::machine::rules + 1> situations{};
};

/// Runs a program with the library: decides whose turn it is, wakes coroutines up, lets time pass.
class runner : public actors {
 public:
  explicit runner(program const& p, bool trace = false) : actors(trace), program_(p) {}

  result run() {
    begin();
    for (auto const& a : program_.actions) {
      if (model_.failed()) break;
      if (trace_) say("> " + to_string(a));
      act(a);
      ++steps_;
    }
    if (!model_.failed() && !program_.ends_abruptly()) finish();
    auto const why = model_.why();
    tear_down();
    result r{steps_, why.empty() ? model_.why() : why, model_.checked, model_.situations};
    if (r.why.empty() && parts_ != 0)
      r.why = "rule 19: " + std::to_string(parts_) + " frames or callables are left";
    return r;
  }

 private:
  void begin() {
    model::task host;
    host.who = model::role::host;
    add_puppet(host, {behaviour_of_host}, 0);
    host_runs_ = true;
    auto token = asio::bind_cancellation_slot(
        outside_.slot(), [this](std::exception_ptr, int) { host_runs_ = false; });
    turn(0, [&] {
      asio::co_spawn(executor(0), child_callable{this, 0, std::make_shared<part>(*this, 0)},
                     std::move(token));
    });
  }

  template <typename Function>
  void turn(int strand, Function function) {
    model_.time_may_strike(strand);
    context_.run_as(strand, [&] {
      function();
      end_turn();
    });
  }

  void end_turn() {
    entering_block_ = model::nobody;
    model_.entering = model::nobody;
    look(true);
  }

  void run_one(int strand) {
    model_.time_may_strike(strand);
    context_.run_one(strand);
    context_.run_as(strand, [this] { end_turn(); });
    ++steps_;
    if (context_.waiting() == 0 && !model_.failed()) model_.idle();
  }

  bool run_some(unsigned choice) {
    for (int i = 0; i != strands; ++i) {
      int const strand = static_cast<int>((choice + static_cast<unsigned>(i)) % strands);
      if (context_.waiting(strand) == 0) continue;
      run_one(strand);
      return true;
    }
    return false;
  }

  std::vector<int> waiting_puppets() {
    std::vector<int> found;
    for (int k = 0; k != static_cast<int>(puppets_.size()); ++k)
      if (of(k).waits) found.push_back(k);
    return found;
  }

  void act(action const& a) {
    switch (a.what) {
      case op::run:
        for (int n = (a.does.x & 31) == 0 ? 20 : 1 + (a.does.x & 1); n != 0 && !model_.failed();
             --n)
          if (!run_some(a.who + static_cast<unsigned>(n))) break;
        break;
      case op::wake: {
        auto const found = waiting_puppets();
        if (found.empty()) break;
        commands_.push_back(a.does);
        complete(found[a.who % found.size()], error_code(), static_cast<int>(commands_.size()) - 1,
                 false);
        break;
      }
      case op::push: {
        auto const found = waiting_puppets();
        if (!found.empty()) of(found[a.who % found.size()]).script.push_back(a.does);
        break;
      }
      case op::outside:
        carry_out(model::nobody, a.does);
        look(true);
        break;
      case op::on_strand: turn(a.who % strands, [&] { carry_out(model::nobody, a.does); }); break;
      case op::host:
        if (host_runs_ && of(0).attached)
          turn(0, [&] {
            constexpr std::array<model::mask, 8> types{1, 1, 1, 2, 4, 6, 7, 5};
            auto const type = types[a.does.x & 7];
            look();
            note("host is cancelled", static_cast<int>(type));
            model_.emitted_to_host(0, type);
            outside_.emit(static_cast<asio::cancellation_type>(type));
          });
        break;
      case op::time: {
        int const ticks = 1 + (a.does.x & 3);
        model_.now += ticks;
        clock_.advance(std::chrono::nanoseconds(ticks));
        break;
      }
    }
  }

  /// Everything is brought to its end.
  void finish() {
    unsigned choice = 0;
    for (int rounds = 0; rounds != 2000 && !model_.failed(); ++rounds) {
      while (!model_.failed() && run_some(choice++)) {
      }
      if (model_.failed()) return;
      model_.idle();
      auto const found = waiting_puppets();
      if (!found.empty()) {
        auto const id = found[static_cast<std::size_t>(rounds) % found.size()];
        of(id).script.clear();
        commands_.push_back({verb::finish});
        complete(id, error_code(), static_cast<int>(commands_.size()) - 1, false);
        continue;
      }
      if (joined_ < scopes_.size()) {
        auto const id = static_cast<int>(joined_++);
        if (scope(id).owned) join_from_outside(id);
        continue;
      }
      if (!somebody_joins() || told_all_) break;
      told_all_ = true;
      for (int k = 0; k != static_cast<int>(scopes_.size()); ++k) {
        if (!scope(k).object) continue;
        model_.request(k, model::terminal, model::cause::requested);
        scope(k).object->cancel();
        look(true);
      }
      act({op::host, 0, {}});
    }
    if (model_.failed()) return;
    // A program may wait in a circle.
    if (somebody_joins()) return;
    for (int k = 0; k != static_cast<int>(scopes_.size()); ++k)
      if (scope(k).owned) destroy(k);
    look(true);
    model_.expect(!host_runs_, 1, "the host has not ended");
    model_.expect(joins_pending_ == 0, 3, "a join was not completed");
    model_.expect(parts_ == 0, 1, "frames or callables are left");
  }

  bool somebody_joins() {
    for (auto const& t : model_.tasks)
      if (t.at == model::phase::running &&
          (t.on == model::awaits::child || t.on == model::awaits::scope ||
           t.on == model::awaits::room))
        return true;
    return false;
  }

  struct join_handler {
    runner* of;
    int id;
    void operator()(std::exception_ptr e) const {
      if (of->over_) return;
      --of->joins_pending_;
      of->look();
      of->left(id, e, std::nullopt, nullptr);
    }
  };

  void join_from_outside(int id) {
    ++joins_pending_;
    note("is joined: scope", id);
    model_.join(id);
    scope(id).object->async_join(join_handler{this, id});
    look(true);
  }

  void tear_down() {
    over_ = true;
    // Known: children that wait for room which only they themselves could make are not destroyed
    // with the context.
    for (auto const& t : model_.tasks)
      if (t.at == model::phase::running && t.on == model::awaits::room &&
          scope(task(t.what).scope).object)
        scope(task(t.what).scope).object->cancel();
    for (bool again = true; again;) {
      again = false;
      for (std::size_t i = 0; i != puppets_.size(); ++i) {
        auto const dropped = std::move(puppets_[i]->waits);
        if (dropped) again = true;
      }
      if (context_.waiting() != 0) again = true;
      context_.drop_all();
    }
    for (auto& s : scopes_) s.owned.reset();
    context_.close();
    for (auto& p : puppets_) p->handle.reset();
  }

  // Waits for commands, and goes on after cancellations.
  static constexpr std::uint64_t behaviour_of_host = 0x3ff << 10 | 31 << 13;

  program const& program_;
  std::uint64_t steps_ = 0;
  bool host_runs_ = false;
  std::size_t joined_ = 0;
  int joins_pending_ = 0;
  bool told_all_ = false;
};

inline result run(program const& p, bool trace = false) {
  runner r(p, trace);
  return r.run();
}

}  // namespace stress
