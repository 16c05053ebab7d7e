# Flags of every target of the project, as one interface target: no global flags.
add_library(convmixer-flags INTERFACE)
target_compile_features(convmixer-flags INTERFACE cxx_std_20)
target_compile_options(
  convmixer-flags INTERFACE -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wnon-virtual-dtor
                            $<$<BOOL:${CONVMIXER_WARNINGS_AS_ERRORS}>:-Werror>)
# g++ 12 warns of overlapping copies in std::string's own operator+ (GCC bug 105651, fixed in 13).
target_compile_options(
  convmixer-flags INTERFACE
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>)
# g++ 14 takes a std::variant's alternative that isn't there, a std::function, for one that is read.
target_compile_options(
  convmixer-flags INTERFACE $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_GREATER_EQUAL:$<CXX_COMPILER_VERSION>,14>>:-Wno-maybe-uninitialized>)
# Hand-written kernels are compiled once for each instruction set that Highway knows of, but for SSSE3: oneDNN wants SSE 4.1.
# Where the largest kernels aren't sanitized, to save time, none is compiled for more than the baseline and AVX2.
if(CONVMIXER_SANITIZE AND NOT CONVMIXER_SANITIZE_KERNELS)
  target_compile_definitions(hwy::hwy INTERFACE "HWY_DISABLED_TARGETS=(~(HWY_BASELINE_TARGETS | HWY_AVX2))")
else()
  target_compile_definitions(hwy::hwy INTERFACE HWY_DISABLED_TARGETS=HWY_SSSE3)
endif()
if(CONVMIXER_SANITIZE)
  target_compile_options(convmixer-flags INTERFACE -fsanitize=${CONVMIXER_SANITIZE} -fno-omit-frame-pointer
                                                   -fno-sanitize-recover=all)
  target_link_options(convmixer-flags INTERFACE -fsanitize=${CONVMIXER_SANITIZE})
  # A quarter of the time that compiling takes, for little: reading through a null pointer ends in the address sanitizer's
  # report just so, and the library casts no object to a class derived from its own. What tests do, and JSON's templates,
  # is watched for bad addresses alone (their compilation takes a third less).
  target_compile_options(convmixer-flags INTERFACE -fno-sanitize=null,vptr
                                                   $<$<BOOL:$<TARGET_PROPERTY:CONVMIXER_ADDRESSES_ALONE>>:-fno-sanitize=undefined>)
  # g++ sees uninitialised reads in std::function and std::regex that are the sanitizers' own code (GCC bug 105562).
  target_compile_options(convmixer-flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()
if(CONVMIXER_SANITIZE STREQUAL "thread")
  target_compile_definitions(convmixer-flags INTERFACE CONVMIXER_THREAD_SANITIZER) # src/core/thread_sanitizer.hpp
endif()
