// Warp operations: each lane leaves its value and is parked; the last lane of the mask computes for all of them.
#include "state.h"

namespace cuemu {

uint64_t warp(Warp kind, unsigned mask, uint64_t value, int source, Place place) {
  const int lane_number = lane(), first = e.current - lane_number, leader = first + __builtin_ctz(mask | 1u << 31);
  Thread* const lanes = &e.threads[first];
  Thread& self = lanes[lane_number];
  if ((mask >> lane_number & 1) == 0) die("the mask of a warp operation lacks the calling lane", place);
  self.kind = kind, self.mask = mask, self.value = value, self.source = source, self.place = place;
  self.state = State::Warp;
  bool complete = true;
  for (int l = 0; l < warpSize; ++l) {
    if ((mask >> l & 1) == 0) continue;
    if (first + l >= static_cast<int>(e.threads.size())) die("a warp operation names a lane that does not exist", place);
    const Thread& other = lanes[l];
    if (other.state == State::Done) die("a warp operation names a lane that has ended", place);
    const bool same = other.place.line == place.line && other.mask == mask && other.kind == kind;
    complete &= other.state == State::Warp && same;
    if (other.state == State::Warp && !same && (other.mask >> lane_number & 1)) {
      die("two lanes wait for each other in different warp operations, one in line " + std::to_string(other.place.line),
          place);
    }
  }
  char* const token = &e.tokens->warp[leader][e.threads[leader].operations % 2];
  publish(token);
  if (complete) {
    uint64_t votes = 0;
    for (int l = 0; l < warpSize; ++l) votes |= uint64_t((mask >> l & 1) && lanes[l].value != 0) << l;
    for (int l = 0; l < warpSize; ++l) {
      if ((mask >> l & 1) == 0) continue;
      const bool named = lanes[l].source >= 0 && lanes[l].source < warpSize && (mask >> lanes[l].source & 1);
      lanes[l].result = kind == Warp::Ballot ? votes : named ? lanes[lanes[l].source].value : ~uint64_t{0};
      lanes[l].state = State::Ready;
      ++lanes[l].operations;
    }
  }
  park(complete ? State::Ready : State::Warp, place);
  observe(token);
  return self.result;
}

int lane() { return e.current % warpSize; }

}  // namespace cuemu
