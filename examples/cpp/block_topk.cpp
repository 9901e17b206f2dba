// Selects blocks from scores with the kernel `block_topk`, from C++ and the exported PTX alone.
#include <cuda.h>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <vector>

constexpr uint32_t ABI_VERSION = 1;  // of the abi.json that this was written by

// `BlockTopkParams` of abi.json.
struct BlockTopkParams {
    CUdeviceptr scores, row_offsets, cache_lengths, block_ids;
    uint32_t rows, batch, score_stride, topk, init_blocks, local_blocks, id_order, max_blocks;
};
static_assert(sizeof(BlockTopkParams) == 64 && offsetof(BlockTopkParams, max_blocks) == 60);

void check(CUresult result) {
    const char *name = "an error without a name";
    if (result == CUDA_SUCCESS) return;
    cuGetErrorName(result, &name);
    std::fprintf(stderr, "%s\n", name);
    std::exit(1);
}

template <typename T> CUdeviceptr upload(const std::vector<T> &values) {
    CUdeviceptr address;
    check(cuMemAlloc(&address, values.size() * sizeof(T)));
    check(cuMemcpyHtoD(address, values.data(), values.size() * sizeof(T)));
    return address;
}

int main(int count, char **arguments) {
    if (count != 2) return std::fprintf(stderr, "%s FILE.ptx\n", arguments[0]), 2;
    CUdevice device;
    CUcontext context;
    check(cuInit(0));
    check(cuDeviceGet(&device, 0));
    check(cuDevicePrimaryCtxRetain(&context, device));
    check(cuCtxSetCurrent(context));

    std::stringstream ptx;  // the first file of abi.json that the device runs
    ptx << std::ifstream(arguments[1]).rdbuf();
    CUmodule module;
    check(cuModuleLoadData(&module, ptx.str().c_str()));
    CUdeviceptr version_at;
    uint32_t version;
    check(cuModuleGetGlobal(&version_at, nullptr, module, "msa_abi_version"));
    check(cuMemcpyDtoH(&version, version_at, sizeof version));
    if (version != ABI_VERSION) return std::fprintf(stderr, "ABI version %u\n", version), 1;

    // One request with 600 cached tokens and a new one sees 5 blocks: two are chosen, the last of
    // them, which is forced, and the one with the best score.
    const uint32_t rows = 1, index_heads = 1, threads = 64, max_blocks = 5;
    std::vector<int32_t> ids(2);
    BlockTopkParams params = {
        upload<float>({0.5f, 2.0f, 0.25f, 1.0f, 0.0f}), upload<uint32_t>({0, 1}),
        upload<uint32_t>({600}), upload(ids), rows, 1, max_blocks, 2, 0, 1, 0, max_blocks};
    void *parameters[] = {&params};
    const uint32_t shared = (max_blocks + 4 * threads - 1) / (4 * threads) * (16 * threads);
    CUfunction block_topk;
    check(cuModuleGetFunction(&block_topk, module, "block_topk"));
    check(cuLaunchKernel(block_topk, rows, index_heads, 1, threads, 1, 1, shared, nullptr,
                         parameters, nullptr));
    check(cuMemcpyDtoH(ids.data(), params.block_ids, ids.size() * sizeof(int32_t)));
    std::printf("block_ids: %d %d\n", ids[0], ids[1]);
}
