#include "connector/marker.h"

#include <gtest/gtest.h>

namespace fs::connector {
namespace {

TEST(Marker, ComesBackFromItsText) {
  const Marker stateless{"00ff", 18446744073709551615U, false};
  const auto back = DecodeMarker(EncodeMarker(stateless));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(*back, stateless);
  EXPECT_FALSE(back->keeps_state);
  EXPECT_EQ(EncodeMarker({"ab", 7}), "function-stream/1 ab 7 state");
}

TEST(Marker, WhatIsNotOursIsNone) {
  for (const char* text : {"", "function-stream/1", "function-stream/2 ab 7 state", "function-stream/1 ab -7 state",
                           "function-stream/1 AB 7 state", "function-stream/1  7 state", "function-stream/1 ab 7 other",
                           "function-stream/1 ab 7 state ", "function-stream/1 ab 18446744073709551616 state", "notes of another client"}) {
    EXPECT_FALSE(DecodeMarker(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace fs::connector
