"""Published snapshots -> our checkpoints, without executing what a snapshot names; see docs/IMPORT.md.

unpickler   opcodes of a pickle -> plain containers and inert records
storages    torch's tensors inside a pickle, a legacy stream or a zip archive
official    snapshots of the StyleGAN2-ADA, StyleGAN3 and R3GAN code lines (.pkl)
community   the StyleGAN2 layout of many PyTorch projects (.pt)
snapshot    any of these files -> configs and weights -> a checkpoint
"""
