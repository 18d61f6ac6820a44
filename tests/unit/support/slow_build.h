// How much longer than in the release build something may take, where a test bounds a time.
#ifndef FUNCTION_STREAM_TESTS_UNIT_SUPPORT_SLOW_BUILD_H_
#define FUNCTION_STREAM_TESTS_UNIT_SUPPORT_SLOW_BUILD_H_

// Clang's way to say so; preset tsan is built with it.
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define FS_THREAD_SANITIZER
#endif
#endif

namespace fs {

// ThreadSanitizer makes the host's code five to fifteen times slower. Guests are not instrumented, so a bound that is mostly theirs holds
// on an idle machine even so; beside other tests it did not.
#ifdef FS_THREAD_SANITIZER
inline constexpr int kSlowBuild = 5;
#else
inline constexpr int kSlowBuild = 1;
#endif

}  // namespace fs

#endif  // FUNCTION_STREAM_TESTS_UNIT_SUPPORT_SLOW_BUILD_H_
