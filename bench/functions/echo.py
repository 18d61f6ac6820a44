from fs_api import FSProcessorDriver


class Echo(FSProcessorDriver):
    def process(self, ctx, source_id, data):
        ctx.emit(data)
