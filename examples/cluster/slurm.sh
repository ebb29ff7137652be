#!/bin/bash
# Workers of a search as an array job; the driver runs anywhere that reaches the database:
#   naslab search SPACE --executor ledger --workers 20 --study "$NASLAB_STUDY" --ledger "$NASLAB_LEDGER"
#   sbatch --export=ALL,NASLAB_LEDGER=postgresql://ada@db.example/lab,NASLAB_STUDY=mystudy examples/cluster/slurm.sh
#SBATCH --job-name=naslab-worker
#SBATCH --array=0-19
#SBATCH --cpus-per-task=4
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --output=naslab-%A_%a.log
set -euo pipefail
: "${NASLAB_LEDGER:?the address of the ledger, as postgresql://ada@db.example/lab}"
: "${NASLAB_STUDY:?the name of the study}"
export OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"
exec srun naslab worker --study "$NASLAB_STUDY" --ledger "$NASLAB_LEDGER" --idle 600
